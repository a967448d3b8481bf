"""What is open above a cursor, put together from pieces that were scanned before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.language.closed_behind import closed_behind
from lsp_server.language.frames import Frame
from lsp_server.language.languages import language_of
from lsp_server.language.scan import scan
from lsp_server.language.surroundings import state_before

LINES = st.sampled_from(
    [
        "def f(a, b):",
        '    """A docstring that goes on',
        '    and ends."""',
        "    x = {'key': [1, 2,",
        "    }]",
        "# it's a comment with (",
        "if (a) { return `${b",
        "}`; }",
        "/* begins",
        "ends */ const re = /[)]/;",
        "<<EOT",
        "EOT",
        "    - key: |",
        "y" * 300,
        "",
    ]
)


def _without_places(frames: tuple[Frame, ...]) -> list[tuple[object, ...]]:
    return [(e.kind, e.opener, e.closer, e.columns, e.literal) for e in frames]


@settings(max_examples=300, deadline=None)
@given(
    lines=st.lists(LINES, max_size=60),
    name=st.sampled_from(["python", "typescript", "shellscript", "yaml", "rust"]),
)
def test_pieces_come_to_what_the_whole_text_comes_to(
    lines: list[str], name: str
) -> None:
    """Where the pieces are cut, inside of a literal too, makes no difference."""
    text, language = "".join(line + "\n" for line in lines), language_of(name)

    state = state_before(text, language, is_whole=True)

    whole = scan(text, language).state
    assert _without_places(state.frames) == _without_places(whole.frames)
    assert _without_places(state.heredocs) == _without_places(whole.heredocs)
    places = [frame.start for frame in state.frames]
    assert places == sorted(set(places))


@pytest.mark.parametrize("gap", [0, 3, 700])
def test_what_is_closed_does_not_hang_on_where_it_was_opened(gap: int) -> None:
    """The frames given are the frames returned, wherever typing has moved them."""
    language = language_of("javascript")
    frames = scan("f(g[", language, origin=-4 - gap).state.frames
    outer, inner = frames

    assert closed_behind("\n])", frames, language, is_whole=True) == {outer, inner}
    assert closed_behind("\n]", frames, language, is_whole=True) == {inner}
    assert closed_behind("\nx", frames, language, is_whole=True) == frozenset()


TWO_DOCSTRINGS = '\n    return 1\n\n\ndef g():\n    """Two."""\n'
TWO_TEMPLATES = "\n  return a;\n}\n// From `here` to `there`.\nh(`two ${b} of it`);\n"
SECOND = {
    "javascript": (
        "function k() {\n  f(`one",
        f"{TWO_TEMPLATES}// The end.",
        f"`);{TWO_TEMPLATES}// The end.",
    ),
    "python": ('def f():\n    """One', TWO_DOCSTRINGS, '"""' + TWO_DOCSTRINGS),
    "python-cut-off": (
        'def f():\n    """One',
        TWO_DOCSTRINGS + 'def h():\n    """Longer than is read. ' + "More. " * 1500,
        '"""' + TWO_DOCSTRINGS,
    ),
    "yaml": ("a: 'one", "\nb: 'two'\nc: don't\n", "'\nb: 'two'\n"),
    "yaml-flow": ('a: ["one', '\nb: ["two", "three"]\n', '"]\nb: ["two"]\n'),
    "yaml-escape": ("a: 'it''s", "\nb: 'it''s two'\n", "''s'\nb: 'two'\n"),
    "html": ('<a href="one', '\n<a href="two">\n', '">\n<a href="two">\n'),
    "shellscript": ('a="one', '\nb="two"\nc=$d\n', '"\nb="two"\n'),
    "csharp": ('var a = @"one', '\nvar b = $"two {c}";\n', '";\nvar b = @"two";\n'),
    "sql": ("SELECT 'one", "\nWHERE b = 'two';\n", "' WHERE b = 'two';\n"),
    "rust": ('let a = "one', '\nlet b = "two";\n', '";\nlet b = "two";\n'),
}
"""An unfinished string, what stands behind it, and the same with its closer."""


@pytest.mark.parametrize("name", SECOND)
def test_the_quote_of_the_next_string_closes_no_unfinished_one(name: str) -> None:
    """What opens the next string must not keep the text from closing its own."""
    before, unfinished, finished = SECOND[name]
    language = language_of(name.partition("-")[0])
    frames = scan(before, language, origin=-len(before)).state.frames
    string = frames[-1]

    assert string.kind.is_literal
    assert string not in closed_behind(unfinished, frames, language, is_whole=True)
    assert string in closed_behind(finished, frames, language, is_whole=True)


@pytest.mark.parametrize(
    ("text", "is_string"),
    [
        ("a: 'b", True),
        ("- 'b", True),
        ("a: !Sub 'b", True),
        ("{a: b, c: 'd", True),
        ("- echo 'b", False),
        ("a: it's", False),
    ],
)
def test_a_quote_begins_a_string_of_yaml_where_a_value_begins(
    text: str, *, is_string: bool
) -> None:
    """Farther right it is a character of a text without quotes."""
    frames = scan(text, language_of("yaml")).state.frames

    assert any(each.kind.is_literal for each in frames) is is_string
