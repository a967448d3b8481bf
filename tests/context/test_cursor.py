"""The context of a cursor holds the lines around it, and costs the same anywhere."""

import pytest

from lsp_server.context.cursor import CursorContext, indentation_of
from lsp_server.values import Snapshot

CURSOR = "▮"


def context(document: str, language_id: str = "python") -> CursorContext:
    """Return the context of the marked cursor."""
    snapshot = Snapshot(
        uri="file:///a",
        language_id=language_id,
        version=1,
        text=document.replace(CURSOR, ""),
        offset=document.index(CURSOR),
    )
    return CursorContext.of(snapshot)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_lines_are_those_around_the_cursor(end: str) -> None:
    """Nearest first, without their line ends, and blank ones are no code."""
    cursor = context(f"a{end}b{end}{end}\tx = {CURSOR}y{end} {end}c{end}")
    assert ("\tx = ", "y") == (cursor.line_before, cursor.line_after)
    assert ("", "b", "a") == cursor.lines_above
    assert (" ", "c", "") == cursor.lines_below
    assert ("b", "c") == (cursor.code_above, cursor.code_below)
    assert 4 == cursor.indentation
    assert not cursor.is_blank


@pytest.mark.parametrize("document", [CURSOR, f" \r\n{CURSOR}\t\n\n"])
def test_a_blank_document_is_blank(document: str) -> None:
    """White space alone is nothing to go by."""
    cursor = context(document)
    assert cursor.is_blank
    assert ("", "") == (cursor.code_above, cursor.code_below)


def test_its_size_is_limited() -> None:
    """Lines far from the cursor are left out, and a long line is cut."""
    cursor = context("a\n" * 500_000 + CURSOR + "b" * 500_000)
    assert len(cursor.lines_above) <= 20_000
    assert len(cursor.line_after) <= 20_000
    assert () == cursor.lines_below


@pytest.mark.parametrize(
    ("line", "columns"), [("", 0), ("x", 0), ("  x", 2), ("\tx", 4), (" \tx", 4)]
)
def test_indentation_counts_columns(line: str, columns: int) -> None:
    """A tab goes to the next multiple of four."""
    assert columns == indentation_of(line)


@pytest.mark.parametrize(
    ("language_id", "expected"), [("python", False), ("yaml", False), ("go", True)]
)
def test_most_languages_use_braces(language_id: str, *, expected: bool) -> None:
    """Those that indent are known by name."""
    assert expected is context(CURSOR, language_id).uses_braces
