"""The line below, written on the cursor's line, is cut where a line end is a blank."""

import pytest

from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.joined_lines import cut_joined_lines
from lsp_server.values import Snapshot


def cut(language_id: str, before: str, written: str, below: str) -> str:
    """Return what is left of ``written`` between two texts."""
    snapshot = Snapshot(
        uri="file:///a",
        language_id=language_id,
        version=1,
        text=f"{before}\n{below}\n",
        offset=len(before),
    )
    return cut_joined_lines(written, CursorContext.of(snapshot))


@pytest.mark.parametrize("blanks", ["", " ", "   ", "\t"])
def test_blanks_do_not_matter(blanks: str) -> None:
    """However the line below is spaced, it is the same line."""
    below = "  .map(first, second)"
    again = below.strip().replace(" ", blanks)
    assert ".all()" == cut("javascript", "items", f".all(){again}", below)


def test_words_of_sql_are_the_same_in_either_case_but_no_strings() -> None:
    """SQL's keywords have no case; what stands in quotes has."""
    assert "b" == cut("sql", "SELECT a, ", "b from users", "FROM users")
    written = "b where c = 'X'"
    assert written == cut("sql", "SELECT a, ", written, "WHERE c = 'x'")


@pytest.mark.parametrize("language_id", ["shellscript", "yaml", "toml", "markdown"])
def test_nothing_is_cut_where_a_line_end_ends_a_statement(language_id: str) -> None:
    """There the line below never goes on with the cursor's line."""
    written = "first, second, third"
    assert written == cut(language_id, "f(", written, "  second, third")
