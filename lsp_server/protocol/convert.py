"""Converts code-point offsets to LSP positions; `lines` converts the other way.

An LSP column counts code units of the encoding that was agreed on; Python counts
code points. A column inside a character means that character's start, a column past
the line end means the line end, a line past the file means the file's end. Text that
comes in here holds no surrogates (see ``lines``).

Source: Language Server Protocol 3.18, "Position" and "Text Documents".
"""

from lsprotocol import types

from lsp_server.protocol.lines import PositionEncoding, code_units
from lsp_server.text import count_line_ends

__all__ = ["position_at", "range_at"]


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
