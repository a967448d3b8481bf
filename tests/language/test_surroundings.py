"""What is open above a cursor, put together from pieces that were scanned before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.language.frames import Frame
from lsp_server.language.languages import language_of
from lsp_server.language.scan import scan
from lsp_server.language.surroundings import closed_behind, state_before

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
