"""What may be written on a terminal, and in which bytes."""

import io
import os
import sys
import unicodedata
from pathlib import Path
from typing import cast

__all__ = ["make_streams_lenient", "printable"]

_KEPT = frozenset("\n\t\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}")
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Unicode's categories of what a terminal obeys, or does not show."""


def printable(text: str) -> str:
    r"""Spell control and format characters out, as in ``\x1b``.

    A source file can hold escape sequences, which would colour, clear or steer the
    terminal, and marks that turn the order of the text around. Line ends and tabs
    stay, and so do the joiners of emoji and scripts.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        if char in _KEPT or unicodedata.category(char) not in _INVISIBLE
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def make_streams_lenient() -> None:
    """Write characters that stdout or stderr cannot encode as escapes.

    In a locale such as ISO-8859-1 an arrow or an emoji would end the command. Where
    one of them is closed, what is written there goes nowhere.
    """
    # Typed as if they could not be None, which they are where the descriptor is closed.
    if cast("object", sys.stdout) is None:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - for the whole process
    if cast("object", sys.stderr) is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for the whole process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
