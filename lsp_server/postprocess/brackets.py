"""Finds the brackets of a text, those in strings aside."""

from collections.abc import Iterator

__all__ = ["CLOSERS", "OPENERS", "brackets", "open_brackets"]

OPENERS = "([{"
CLOSERS = ")]}"
_QUOTES = "\"'`"


def brackets(text: str) -> Iterator[tuple[int, str]]:
    """Give the place and the character of every bracket outside of a string.

    Strings are taken to end with their line, which keeps one apostrophe in a comment
    from hiding the rest of the file.
    """
    quote = ""
    for at, char in enumerate(text):
        if char == "\n":
            quote = ""
        elif quote:
            if char == quote and text[at - 1] != "\\":
                quote = ""
        elif char in _QUOTES:
            quote = char
        elif char in OPENERS or char in CLOSERS:
            yield at, char


def open_brackets(text: str) -> int:
    """Count the brackets that ``text`` leaves open; surplus closers do not count."""
    depth = 0
    for _, char in brackets(text):
        depth = depth + 1 if char in OPENERS else max(0, depth - 1)
    return depth
