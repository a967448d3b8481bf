"""Brackets are found outside of strings, and none is closed twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.brackets import (
    brackets,
    cut_surplus_closers,
    open_brackets,
)
from lsp_server.values import CompletionScope, Snapshot

METHODS = """\
class Shop:
    def first(self):
        return self.broken(1, [2

    def second(self, name):
        total = 0
        """
IN_A_CALL = '''\
def report(cursor, day):
    cursor.execute("""
        with days as (select day from sales)
        return everything
    """,
        [day'''
DOCUMENTED = '''\
def total(items):
    """Add up (all of them.

    return what they cost
    """
    return sum(item.price for item in items'''


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


def near(before: str, after: str = "", language_id: str = "python") -> CursorContext:
    """Return the context of a cursor between two texts."""
    snapshot = Snapshot(
        uri="file:///a",
        language_id=language_id,
        version=1,
        text=before + after,
        offset=len(before),
    )
    return CursorContext.of(snapshot)


@pytest.mark.parametrize(
    ("cursor", "text", "expected"),
    [
        pytest.param(near("f(x"), ")", ")", id="open"),
        pytest.param(near("f(x"), "))", ")", id="one-too-many"),
        pytest.param(near("f(x", ")"), ", y)", ", y", id="closed-behind"),
        pytest.param(near("f(\n    x"), "\n)", "\n)", id="lines-of-a-statement"),
        pytest.param(
            near(METHODS), "self.add(name)])", "self.add(name)", id="not-of-a-method"
        ),
        pytest.param(
            near("f(function () {\n    return x", language_id="javascript"),
            "})",
            "})",
            id="statement-within-a-call",
        ),
        pytest.param(near(IN_A_CALL), "])", "])", id="words-in-a-long-string"),
        pytest.param(near(DOCUMENTED), "))", ")", id="words-in-a-docstring"),
    ],
)
def test_surplus_closers_are_cut(
    cursor: CursorContext, text: str, expected: str
) -> None:
    """As many are closed as stand open in the statement, and no more."""
    assert expected == cut_surplus_closers(text, cursor, CompletionScope.LINE)
