"""Finds the brackets of a text, those in strings aside."""

import re
from collections.abc import Iterator

__all__ = ["CLOSERS", "OPENERS", "brackets", "open_brackets"]

OPENERS = "([{"
CLOSERS = ")]}"

#: A bracket, or a string to its end. A loop over the characters took milliseconds of
#: every completion in a long class.
_BRACKET_OR_STRING = re.compile(
    r"[()\[\]{}]"
    r"|\"(?:[^\"\n]|(?<=\\)\")*\"?"
    r"|'(?:[^'\n]|(?<=\\)')*'?"
    r"|`(?:[^`\n]|(?<=\\)`)*`?"
)


def brackets(text: str) -> Iterator[tuple[int, str]]:
    """Give the place and the character of every bracket outside of a string.

    Strings are taken to end with their line, which keeps one apostrophe in a comment
    from hiding the rest of the file. A quote behind a backslash does not end one.
    """
    for found in _BRACKET_OR_STRING.finditer(text):
        char = found[0]
        if char in OPENERS or char in CLOSERS:
            yield found.start(), char


def open_brackets(text: str) -> int:
    """Count the brackets that ``text`` leaves open; surplus closers do not count."""
    depth = 0
    for _, char in brackets(text):
        depth = depth + 1 if char in OPENERS else max(0, depth - 1)
    return depth
