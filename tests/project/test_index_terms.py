"""What the index knows of a text is the same for the same text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.project.index.terms import index_chunks, terms_of

LINES = st.lists(
    st.sampled_from(["", "\t", "one_word = 1", "  two()", "# é 3", "x" * 1001]),
    max_size=80,
)


@pytest.mark.parametrize(
    ("identifier", "terms"),
    [
        ("parse_URLList2", ("parse_urllist2", "parse", "url", "list")),
        ("parseHttpRequest", ("parsehttprequest", "parse", "http", "request")),
        ("plain", ("plain",)),
        ("x1", ("x1",)),
        ("__init__", ("__init__", "init")),
        ("Größe", ("größe", "gr", "öß")),
        ("a" * 65, ()),
    ],
)
def test_identifiers_have_their_parts(identifier: str, terms: tuple[str, ...]) -> None:
    """Both the whole and the parts, in lower case."""
    assert terms == terms_of(identifier)


@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]))
def test_chunks_are_whole_lines_in_order(lines: list[str], line_end: str) -> None:
    """They do not overlap, hold every term, and no line that is too long."""
    chunks = [*index_chunks(line_end.join(lines))]
    assert chunks == [*index_chunks("\n".join(lines))]
    at = 0
    for chunk in chunks:
        assert at <= chunk.first_line < chunk.end_line <= len(lines)
        assert chunk.end_line - chunk.first_line <= 24
        assert "x" * 1001 not in lines[chunk.first_line : chunk.end_line]
        at = chunk.end_line
    if "x" * 1001 not in lines:
        counted = sum(chunk.terms.split().count("one_word") for chunk in chunks)
        assert lines.count("one_word = 1") == counted


def test_a_change_moves_no_boundary_far_away() -> None:
    """A line more in one function leaves the chunks of later ones as they were."""
    function = ["", "", "def f():", *("    call_it()" for _ in range(8))]
    before = [*index_chunks("\n".join(function * 9))]
    longer = [*function[:4], "    more()", *function[4:]]
    after = [*index_chunks("\n".join([*longer, *function * 8]))]
    assert [chunk.first_line + 1 for chunk in before[-5:]] == [
        chunk.first_line for chunk in after[-5:]
    ]
