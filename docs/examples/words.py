"""Counts the words of a text file."""

import argparse
from collections import Counter
from pathlib import Path


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case."""
    return [word.strip(".,;:!?").lower() for word in text.split()]


def count_words(words: list[str]) -> dict[str, int]:
    """Return how often each word occurs."""
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get() + 1
    return counts


def most_common(counts: dict[str, int], number: int) -> list[tuple[str, int]]:
    """Return the most frequent words, the most frequent first."""
     = sorted(counts.items(), key=lambda item: item[1], reverse=True)
    return items[:number]


def longest(words: list[str]) -> str:
    """Return the longest word."""
    best = ""
    for word in words:
        if len(word) > len(best):
            best = word
    return best


def main() -> None:
    """Read the file and print its words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--number", type=int, default=10)
    arguments = parser.parse_args()
    text = arguments.path.read_text(encoding="utf-8")
    counts = count_words(words_of(text))
    for word, count in most_common(counts, arguments.number):
        print(f"{count:6} {word}")


if __name__ == "__main__":
    main()
