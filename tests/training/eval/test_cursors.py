"""Gaps are where their kinds say, and taking a gap out loses nothing."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.context.cursor import CursorContext
from lsp_server.service.trigger import choose_scope
from lsp_server.values import CompletionScope, Snapshot, Trigger
from training.eval import cursors
from training.eval.cursors import Gap, Kind, draw_gap, parse_or_none

TEXT = '''"""Says how things are."""

import os


def greet(name: str, *, wëlcome: bool) -> str:
    """Greet."""
    words = ["hello", name]
    if wëlcome:
        words.append("wëlcome", key=len(words))
        words.sort()
    return os.linesep.join((words))


class Nothing:
    limit = 3
'''
SOURCES = [TEXT, Path(cursors.__file__).read_text(encoding="utf-8")]


def lot(seed: int) -> random.Random:
    """Return a lot that can be drawn again."""
    return random.Random(seed)  # noqa: S311 - a sample, no secret


def gaps(kind: Kind, text: str = TEXT) -> set[str]:
    """The missing texts of this kind that 200 draws find."""
    tree = parse_or_none(text)
    assert tree is not None
    drawn = (draw_gap(text, tree, kind, lot(seed)) for seed in range(200))
    return {text[gap.start : gap.end] for gap in drawn if gap is not None}


def test_line_ends() -> None:
    """Whole statements of one line, but none right below a block's head."""
    assert {
        'words = ["hello", name]',
        "words.sort()",
        "return os.linesep.join((words))",
    } == gaps(Kind.LINE_END)


def test_empty_bodies() -> None:
    """Bodies without their docstring; a class has none."""
    body = TEXT[TEXT.index("words = [") : TEXT.index("\n\n\nclass")]
    inner = TEXT[TEXT.index("words.append") : TEXT.index("\n    return")]
    assert {body, inner} == gaps(Kind.EMPTY_BODY)


def test_decorated_body() -> None:
    """A body that begins with a decorator has no place that the tree tells."""
    text = "def f():\n    @wraps\n    def g():\n        return 1\n"
    assert {"return 1"} == gaps(Kind.EMPTY_BODY, text)


def test_call_arguments() -> None:
    """From each argument to the closing parenthesis, bytes not taken for characters."""
    assert {
        '"wëlcome", key=len(words)',
        "key=len(words)",
        "words",
    } == gaps(Kind.CALL_ARGUMENTS)


def test_mid_lines() -> None:
    """The rest of a statement's first line, and no docstring's."""
    found = gaps(Kind.MID_LINE)
    lines = [line for line in TEXT.splitlines() if '"""' not in line]
    assert all(any(line.endswith(rest) for line in lines) for rest in found)
    assert not any(rest.startswith(" ") and not rest.strip() for rest in found)
    assert len(found) > 40


@pytest.mark.parametrize("kind", list(Kind))
@given(seed=st.integers(0, 10_000), which=st.sampled_from(SOURCES))
def test_gap_is_a_true_piece(kind: Kind, seed: int, which: str) -> None:
    """A gap holds code, stays in the file, and its place fits its kind."""
    tree = parse_or_none(which)
    assert tree is not None
    gap = draw_gap(which, tree, kind, lot(seed))
    assert gap is not None
    missing, after = which[gap.start : gap.end], which[gap.end :]
    assert missing.strip()
    before = which[: gap.start].rpartition("\n")[2]
    match kind:
        case Kind.MID_LINE:
            assert before.strip()
            assert after.startswith("\n")
            assert "\n" not in missing
        case Kind.LINE_END:
            assert not before.strip()
            assert after.startswith("\n")
            assert "\n" not in missing
        case Kind.EMPTY_BODY:
            assert not before.strip()
            assert after[:1] in {"", "\n"}
        case Kind.CALL_ARGUMENTS:
            assert before.rstrip().endswith(("(", ","))
            assert after.startswith(")")


@pytest.mark.parametrize("source", SOURCES)
def test_server_completes_a_block_in_an_empty_body(source: str) -> None:
    """Where a body is missing, the server too would write a block."""
    tree = parse_or_none(source)
    assert tree is not None
    for seed in range(30):
        gap = draw_gap(source, tree, Kind.EMPTY_BODY, lot(seed))
        assert gap is not None
        snapshot = Snapshot(
            uri="file:///a.py",
            language_id="python",
            version=1,
            text=source[: gap.start] + source[gap.end :],
            offset=gap.start,
        )
        assert CompletionScope.BLOCK is choose_scope(
            CursorContext.of(snapshot), Trigger.AUTOMATIC, into_blocks=False
        )


def test_nothing_to_find() -> None:
    """A file without a place of a kind gives none."""
    tree = parse_or_none("x = 1\n")
    assert tree is not None
    for kind in Kind:
        assert draw_gap("x = 1\n", tree, kind, lot(0)) is None


def test_lot_repeats() -> None:
    """The same lot gives the same gap."""
    tree = parse_or_none(TEXT)
    assert tree is not None
    drawn = [draw_gap(TEXT, tree, Kind.MID_LINE, lot(seed)) for seed in (1, 1, 2)]
    assert isinstance(drawn[0], Gap)
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("text", ["def f(:", "x = '\0'", "(" * 5000])
def test_no_python(text: str) -> None:
    """What cannot be parsed is passed over, whatever the reason."""
    assert parse_or_none(text) is None
