"""Positions and offsets agree with an oracle that counts code units one by one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from lsp_server.protocol.convert import position_at, range_at
from lsp_server.protocol.lines import (
    PositionEncoding,
    code_units,
    column_to_index,
    split_lines,
    without_line_end,
)

UTF8, UTF16, UTF32 = PositionEncoding

# Line ends, things that only look like line ends, and characters of every width.
TEXTS = st.text(alphabet="ab\r\n\f\v\x1c\x85\u2028é漢😀𝄞\0", max_size=30)
ENCODINGS = st.sampled_from(PositionEncoding)


def width(character: str, encoding: PositionEncoding) -> int:
    """Count the code units of one character by its number alone."""
    number = ord(character)
    if encoding is UTF8:
        return 1 + (number > 0x7F) + (number > 0x7FF) + (number > 0xFFFF)
    return 1 + (encoding is UTF16 and number > 0xFFFF)


@given(TEXTS)
def test_lines_end_where_lsp_says(text: str) -> None:
    r"""Lines are cut after ``\r\n``, ``\r`` and ``\n`` and nowhere else."""
    expected = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)", text)
    expected.append(text[len("".join(expected)) :])
    assert expected == split_lines(text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("a", ["a"]),
        ("a\n", ["a\n", ""]),
        ("a\r\nb\rc\n\nd", ["a\r\n", "b\r", "c\n", "\n", "d"]),
        ("a\fb\vc\x1cd\x85e\u2028f", ["a\fb\vc\x1cd\x85e\u2028f"]),
    ],
)
def test_split_lines(text: str, lines: list[str]) -> None:
    """These texts have these lines."""
    assert lines == split_lines(text)


@pytest.mark.parametrize(
    ("line", "bare"), [("a\r\n", "a"), ("a\n", "a"), ("a\r", "a"), ("a", "a"), ("", "")]
)
def test_without_line_end(line: str, bare: str) -> None:
    """One line end goes, whichever it is."""
    assert bare == without_line_end(line)


@given(TEXTS, ENCODINGS)
def test_code_units(text: str, encoding: PositionEncoding) -> None:
    """The width of a text is the sum of its characters' widths."""
    assert sum(width(c, encoding) for c in text) == code_units(text, encoding)


@given(TEXTS, st.integers(0, 200), ENCODINGS)
def test_column_to_index(line: str, column: int, encoding: PositionEncoding) -> None:
    """A column means the last character start that is not right of it."""
    index = units = 0
    for character in line:
        units += width(character, encoding)
        if units > column:
            break
        index += 1
    assert index == column_to_index(line, column, encoding)


@pytest.mark.parametrize(
    ("column", "encoding", "index"),
    [
        (1, UTF16, 0),
        (2, UTF16, 1),
        (3, UTF8, 0),
        (4, UTF8, 1),
        (1, UTF32, 1),
        (99, UTF16, 2),
        (2**31 - 1, UTF8, 2),
    ],
)
def test_a_column_inside_a_character_is_its_start(
    column: int, encoding: PositionEncoding, index: int
) -> None:
    """Half a surrogate pair, and a part of a UTF-8 sequence, round down."""
    assert index == column_to_index("😀x", column, encoding)


@given(TEXTS, st.data(), ENCODINGS)
def test_position_at(
    text: str, data: st.DataObject, encoding: PositionEncoding
) -> None:
    """An offset's position is its line's number and the width left of it."""
    offset = data.draw(st.integers(0, len(text)))
    line = start = 0
    lines = split_lines(text)
    while line + 1 < len(lines) and start + len(lines[line]) <= offset:
        start += len(lines[line])
        line += 1
    left = without_line_end(lines[line])[: offset - start]
    character = sum(width(c, encoding) for c in left)
    expected = types.Position(line=line, character=character)
    # Between carriage return and line feed there is no position; the line end is meant.
    assert expected == position_at(text, offset, encoding)


def test_range_at() -> None:
    """A range has the positions of its two offsets."""
    expected = types.Range(
        start=types.Position(line=0, character=2),
        end=types.Position(line=1, character=1),
    )
    assert expected == range_at("😀\nb", 1, 3, UTF16)


@pytest.mark.parametrize("offset", [1, 2])
def test_between_carriage_return_and_line_feed(offset: int) -> None:
    """There is no position there; the line end is meant."""
    expected = types.Position(line=0, character=1)
    assert expected == position_at("a\r\nb", offset, UTF16)
