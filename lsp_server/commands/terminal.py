"""What the commands share at a terminal: arguments, streams, and safe text."""

import argparse
import contextlib
import io
import math
import os
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

__all__ = [
    "captured_output",
    "make_streams_lenient",
    "positive",
    "positive_number",
    "printable",
]

_KEPT = frozenset("\n\t\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}")
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Unicode's categories of what a terminal obeys, or does not show."""


def positive(text: str) -> int:
    """Read a whole number of 1 or more, for argparse.

    Raises:
        ArgumentTypeError: It is not one; argparse shows the message.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return number


def positive_number(text: str) -> float:
    """Read a number above 0, for argparse.

    Raises:
        ArgumentTypeError: It is not one; argparse shows the message.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


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


@contextlib.contextmanager
def captured_output() -> Iterator[BinaryIO]:
    """Send what goes to fd 1 and 2, of this process and its children, into a file.

    Yields:
        The file, which is gone when the block ends: read it before.
    """
    import tempfile  # noqa: PLC0415 - an attached server starts without it

    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        sys.stderr.flush()
        kept = [(fd, os.dup(fd)) for fd in (1, 2)]
        try:
            for fd, _ in kept:
                os.dup2(file.fileno(), fd)
            yield file
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for fd, copy in kept:
                os.dup2(copy, fd)
                os.close(copy)
