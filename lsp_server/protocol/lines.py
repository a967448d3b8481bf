"""A document as a list of lines, edited at positions that count code units.

It knows neither lsprotocol nor JSON, so that the attached server can follow documents
without loading either.

Source: Language Server Protocol 3.18, "Position" and "Text Documents".
"""

import enum
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

__all__ = [
    "LineColumn",
    "PositionEncoding",
    "TextLines",
    "code_units",
    "column_to_index",
    "is_version",
    "line_column",
    "split_lines",
    "without_line_end",
    "without_surrogates",
]


class PositionEncoding(enum.Enum):
    """What a column counts: code units of this encoding."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"


_CODECS = {
    PositionEncoding.UTF8: "utf-8",
    PositionEncoding.UTF16: "utf-16-le",
    PositionEncoding.UTF32: "utf-32-le",
}
_UNIT_BYTES = {
    PositionEncoding.UTF8: 1,
    PositionEncoding.UTF16: 2,
    PositionEncoding.UTF32: 4,
}
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, order=True)
class LineColumn:
    """A position as an editor sends it.

    Attributes:
        line: Lines above it.
        column: Code units left of it.
    """

    line: int
    column: int


_MOST = 2**31 - 1
"""LSP's greatest number."""


def line_column(value: object) -> LineColumn | None:
    """Read a position; None for anything else, such as a fraction, a text or true."""
    match value:
        case {"line": line, "character": column}:
            if _is_integer(line, 0) and _is_integer(column, 0):
                return LineColumn(line, column)
    return None


def is_version(value: object) -> TypeGuard[int]:
    """Return whether a value can be a document's version."""
    return _is_integer(value, -_MOST - 1)


def _is_integer(value: object, least: int) -> TypeGuard[int]:
    """Return whether a value is an integer of LSP's; JSON's true and 1.0 are none."""
    return type(value) is int and least <= value <= _MOST


def split_lines(text: str) -> list[str]:
    r"""Split after ``\r\n``, ``\n`` and ``\r``, and after nothing else.

    Line ends stay on their lines. There is always a last line without a line end, an
    empty one after a final line end. ``str.splitlines`` would split at form feeds and
    U+2028 as well, which are no line ends in LSP.
    """
    lines = list(io.StringIO(text, newline=""))
    if not lines or lines[-1].endswith(("\n", "\r")):
        lines.append("")
    return lines


def without_line_end(line: str) -> str:
    """Return a line of ``split_lines`` without its line end."""
    return line.removesuffix("\n").removesuffix("\r")


def code_units(text: str, encoding: PositionEncoding) -> int:
    """Count the code units of ``text``."""
    if encoding is PositionEncoding.UTF32 or text.isascii():
        return len(text)
    return len(text.encode(_CODECS[encoding])) // _UNIT_BYTES[encoding]


def column_to_index(line: str, column: int, encoding: PositionEncoding) -> int:
    """Turn a column in code units into an index in code points.

    Args:
        line: The line without its line end.
        column: Code units left of the position, zero or more.
        encoding: What the column counts.
    """
    if encoding is PositionEncoding.UTF32 or line.isascii():
        return min(column, len(line))
    cut = line.encode(_CODECS[encoding])[: column * _UNIT_BYTES[encoding]]
    return len(cut.decode(_CODECS[encoding], errors="ignore"))


class TextLines:
    """A text that is edited line by line: an edit costs what it touches.

    Args:
        text: The whole text.
        encoding: What columns count.
    """

    def __init__(self, text: str, encoding: PositionEncoding) -> None:
        """Hold the text."""
        self._encoding = encoding
        self._joined: str | None = None
        self.replace_all(text)

    @property
    def lines(self) -> Sequence[str]:
        """The lines with their line ends, as ``split_lines`` makes them."""
        return self._lines

    @property
    def text(self) -> str:
        """The whole text, put together once for each state."""
        if self._joined is None:
            self._joined = "".join(self._lines)
        return self._joined

    @property
    def chars(self) -> int:
        """The length of the text, in code points."""
        return self._chars

    def replace_all(self, text: str) -> None:
        """Take another text."""
        self._joined = None
        self._lines = split_lines(without_surrogates(text))
        self._chars = len(text)

    def replace(self, start: LineColumn, end: LineColumn, text: str) -> None:
        """Replace a range, which must not be reversed, by ``text``."""
        first, start_index = self._locate(start)
        last, end_index = self._locate(end)
        head = self._lines[first][:start_index]
        tail = self._lines[last][end_index:]
        # A carriage return before the edit may become one line end with its start.
        if first and not head and self._lines[first - 1].endswith("\r"):
            first -= 1
            head = self._lines[first]
        merged = split_lines(head + without_surrogates(text) + tail)
        # A line end of the last line's own leaves an empty line, which is the next.
        if last + 1 < len(self._lines):
            merged.pop()
        self._chars += sum(map(len, merged))
        self._chars -= sum(map(len, self._lines[first : last + 1]))
        self._lines[first : last + 1] = merged
        self._joined = None

    def offset_at(self, place: LineColumn) -> int:
        """Turn a position into an offset in ``text``."""
        line, index = self._locate(place)
        return sum(map(len, self._lines[:line])) + index

    def _locate(self, place: LineColumn) -> tuple[int, int]:
        """Turn a position into a line and an index in it, both within the text."""
        if place.line >= len(self._lines):
            return len(self._lines) - 1, len(self._lines[-1])
        line = without_line_end(self._lines[place.line])
        return place.line, column_to_index(line, place.column, self._encoding)


def without_surrogates(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can carry, by U+FFFD.

    Both take one code unit in UTF-16 and three in UTF-8, so no column moves.
    """
    if text.isascii():
        return text
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
