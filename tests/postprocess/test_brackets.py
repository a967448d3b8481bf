"""Brackets are found outside of strings, and strings end with their line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.postprocess.brackets import brackets, open_brackets


def places(text: str) -> list[int]:
    """Where ``text`` has brackets that count."""
    return [at for at, _ in brackets(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("f(x)", [1, 3]),
        ("f('(')", [1, 5]),
        ('a["]"]', [1, 5]),
        ("`{`}", [3]),
        ("it's (\n(", [7]),
        ("'\\')'(", [5]),
        ("\\'('(", [4]),
        ("''(", [2]),
        ('"""("""(', [7]),
    ],
)
def test_strings_hide_their_brackets(text: str, expected: list[int]) -> None:
    """A quote opens a string up to the next one, or to the end of the line."""
    assert expected == places(text)


@given(st.text(alphabet="([{}])\"'`\\\na ", max_size=60))
def test_it_agrees_with_reading_character_by_character(text: str) -> None:
    """The expression says what the plain loop says, which anyone can check."""
    found, quote = [], ""
    for at, char in enumerate(text):
        if char == "\n":
            quote = ""
        elif quote:
            if char == quote and text[at - 1] != "\\":
                quote = ""
        elif char in "\"'`":
            quote = char
        elif char in "([{}])":
            found.append((at, char))
    assert found == list(brackets(text))


@pytest.mark.parametrize(
    ("text", "depth"), [("", 0), ("f(", 1), ("f([", 2), (")(", 1), ("(')'", 1)]
)
def test_open_brackets(text: str, depth: int) -> None:
    """Closers that close nothing do not count."""
    assert depth == open_brackets(text)
