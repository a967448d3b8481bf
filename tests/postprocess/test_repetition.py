"""Text that says the same again is found as soon as it does, and where it begins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.postprocess.repetition import repeated_from
from lsp_server.postprocess.scope import StopRule
from lsp_server.values import CompletionScope, FinishReason, Snapshot

LINES = st.lists(
    st.sampled_from(
        ["    a()\n", "    b()\n", "    c()\n", "\n", "    return\n", "d\n"]
    ),
    max_size=16,
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", None),
        ("a\nb\na\nb\na\nb\n", "a\nb\n"),
        ("x\na\na\na\n", "x\na\n"),
        ("a\na\n", None),
        # The last line may still become another.
        ("a\na\na", None),
        ("\n\n\n\n\n", None),
        ("a\nb\nb\nc\na\nc\n", "a\nb\n"),
        ("a\n\nb\n\nb\nc\na\nc\n", "a\n\nb\n\n"),
        ("a\nb\nb\nc\nd\nc\n", None),
    ],
)
def test_finds_where_it_begins(text: str, kept: str | None) -> None:
    """What is kept is said once."""
    expected = None if kept is None else len(kept)
    assert expected == repeated_from(text)


@settings(deadline=None)
@given(lines=LINES, more=LINES)
def test_what_comes_behind_changes_nothing(lines: list[str], more: list[str]) -> None:
    """Once found, the same place is found in any longer text."""
    found = repeated_from("".join(lines))
    if found is not None:
        assert found == repeated_from("".join([*lines, *more]))


@settings(deadline=None)
@given(lines=LINES)
def test_stopping_early_shows_the_same(lines: list[str]) -> None:
    """The stop rule and the filters cut a text full of repeats at the same place."""
    document = "def f():\n    "
    snapshot = Snapshot(
        uri="file:///a.py",
        language_id="python",
        version=1,
        text=document,
        offset=len(document),
    )
    cursor = CursorContext.of(snapshot)
    text = "".join(lines).lstrip(" ")
    rule = StopRule(cursor, CompletionScope.BLOCK)
    until = next((at for at, char in enumerate(text, 1) if rule.feed(char)), len(text))
    whole = postprocess(text, cursor, CompletionScope.BLOCK)
    early = postprocess(text[:until], cursor, CompletionScope.BLOCK)
    assert whole.text == early.text


@pytest.mark.parametrize("length", [19, 20, 60])
@pytest.mark.parametrize("reason", FinishReason)
def test_an_endless_run_is_dropped_where_it_was_broken_off(
    length: int, reason: FinishReason
) -> None:
    """A ruler that the model ended stays, and so does a short one."""
    snapshot = Snapshot(
        uri="file:///a.py", language_id="python", version=1, text="# \n", offset=2
    )
    outcome = postprocess(
        "-" * length,
        CursorContext.of(snapshot),
        CompletionScope.LINE,
        finish_reason=reason,
    )
    is_dropped = length >= 20 and reason is not FinishReason.STOP
    assert (None if is_dropped else "-" * length) == outcome.text
