"""A place on the command line is the place that an editor shows."""

from pathlib import Path

import pytest

from lsp_server.commands.editing import Place, parse_place
from lsp_server.errors import ClientError


@pytest.mark.parametrize(
    ("text", "line", "column", "offset"),
    [
        ("", 1, 1, 0),
        ("abc", 1, 4, 3),
        ("a\nbc", 2, 2, 3),
        ("a\r\nbc\r\n", 2, 3, 5),
        ("a\n", 2, 1, 2),
        ("é🚄x", 1, 3, 2),
    ],
)
def test_lines_and_columns_count_from_one(
    text: str, line: int, column: int, offset: int
) -> None:
    """Line 1, column 1 is the start; a column is a character, not a byte."""
    place = Place(path=Path("a.py"), line=line, column=column)
    assert offset == place.offset_in(text)


@pytest.mark.parametrize(
    ("line", "column"), [(0, 1), (3, 1), (1, 0), (1, 4), (2, 2), (-1, 1)]
)
def test_a_place_outside_of_the_file_is_told(line: int, column: int) -> None:
    """A place that does not exist is an error that names it."""
    place = Place(path=Path("a.py"), line=line, column=column)
    with pytest.raises(ClientError, match=rf"a.py: .*line {line}, column {column}"):
        place.offset_in("ab\n")


def test_a_place_is_read_from_the_right() -> None:
    """A colon in the path is part of the path."""
    expected = Place(path=Path("C:/x.py"), line=3, column=4)
    assert expected == parse_place("C:/x.py:3:4")


@pytest.mark.parametrize("text", ["a.py", "a.py:1", "a.py:x:1", ""])
def test_what_is_no_place_is_refused(text: str) -> None:
    """A place needs its three parts."""
    with pytest.raises(ValueError, match=r".*"):
        parse_place(text)
