"""Text ends before stop strings and lines that are indented too little."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.service.stop_strings import IndentRule, StopStrings

LETTERS = st.text(alphabet="ab", max_size=40)
STOPS = st.lists(st.text(alphabet="ab", min_size=1, max_size=4), max_size=16)


def split_at(text: str, cuts: set[int]) -> list[str]:
    """Split a text at these offsets."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(edges)]


@given(text=LETTERS, stops=STOPS, cuts=st.sets(st.integers(1, 39)))
def test_no_stop_string_is_ever_half_sent(
    text: str, stops: list[str], cuts: set[int]
) -> None:
    """However a text is split, what was sent is a beginning without a stop string."""
    rule = StopStrings(stops)
    sent = ""
    for piece in split_at(text, cuts):
        sent += rule.feed(piece)
        assert text.startswith(sent)
        assert not any(stop in sent for stop in stops)
        if rule.found:
            break
    if rule.found:
        assert text.startswith(sent + rule.found)
    else:
        assert text == sent + rule.finish()
        assert not any(stop in text for stop in stops)


def test_the_first_of_several_stop_strings_ends_the_text() -> None:
    """The earliest one counts, not the first in the list."""
    rule = StopStrings(["c", "b"])
    assert "a" == rule.feed("abc")
    assert "b" == rule.found


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x)\n    y\n    z", "x)\n    y\n    z"),
        ("x)\n    y\nz", "x)\n    y\n"),
        ("x)\n    y\n\n    z", "x)\n    y\n"),
        ("x)\n        y\n   ", "x)\n        y\n   "),
        ("", ""),
    ],
)
def test_a_line_indented_too_little_ends_the_text(
    text: str, kept: str, size: int
) -> None:
    """The cursor's line does not count; an empty line does, as in llama.cpp."""
    rule = IndentRule(4)
    sent = ""
    for at in range(0, len(text), size):
        sent += rule.feed(text[at : at + size])
        if rule.cut:
            break
    assert kept == (sent if rule.cut else sent + rule.finish())
