"""Converts between LSP positions and code-point offsets, the only place that does.

An LSP column counts code units of the encoding that was agreed on; Python counts
code points. A column inside a character means that character's start, a column past
the line end means the line end, a line past the file means the file's end. Text that
comes in here holds no surrogates (see ``document``).

Source: Language Server Protocol 3.18, "Position" and "Text Documents".
"""

import enum
import io

from lsprotocol import types

from lsp_server.text import count_line_ends

__all__ = [
    "PositionEncoding",
    "code_units",
    "column_to_index",
    "position_at",
    "range_at",
    "split_lines",
    "without_line_end",
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


def position_at(text: str, offset: int, encoding: PositionEncoding) -> types.Position:
    r"""Turn an offset in code points into a position.

    An offset between ``\r`` and ``\n`` means the end of that line.
    """
    if text[offset - 1 : offset + 1] == "\r\n":
        offset -= 1
    line = count_line_ends(text, offset)
    start = text.rfind("\n", 0, offset) + 1
    if "\r" in text:
        start = max(start, text.rfind("\r", 0, offset) + 1)
    return types.Position(line=line, character=code_units(text[start:offset], encoding))


def range_at(
    text: str, start: int, end: int, encoding: PositionEncoding
) -> types.Range:
    """Turn two offsets in code points into a range."""
    first = position_at(text, start, encoding)
    last = first if end == start else position_at(text, end, encoding)
    return types.Range(start=first, end=last)
