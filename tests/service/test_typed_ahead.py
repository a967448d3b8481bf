"""What is typed meanwhile is compared with what the model writes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.service.typed_ahead import may_begin_with
from lsp_server.values import CompletionScope, Snapshot

TEXTS = st.lists(st.sampled_from(["a", "b", " ", "\n", "(", ")", "x = "]), max_size=6)


def at_end(before: str) -> CursorContext:
    """Return the context of a cursor behind a text."""
    snapshot = Snapshot(
        uri="file:///a",
        language_id="python",
        version=1,
        text=before,
        offset=len(before),
    )
    return CursorContext.of(snapshot)


@pytest.mark.parametrize(
    ("before", "written", "typed", "expected"),
    [
        ("x = ", "total", "", True),
        ("x = ", "total", "t", True),
        ("x = ", "total", "total + 1", True),
        ("x = ", "total", "x", False),
        ("x = ", "", "anything", True),
        ("x = ", " total", "to", True),
        ("x = ", "a\n  b", "a\r\n", True),
        ("x = ", "a  \nb", "a\nb", True),
        ("total = ", "tot", "x", True),
        ("total = ", "total = 1", "1", True),
        ("total = ", "total = 1", "2", False),
    ],
)
def test_only_what_nothing_can_mend_is_a_no(
    before: str, written: str, typed: str, *, expected: bool
) -> None:
    """More may still come, and the filters may take something off the beginning."""
    assert expected is may_begin_with(written, typed, at_end(before))


@settings(deadline=None)
@given(
    before=TEXTS.map("".join),
    text=TEXTS.map("".join),
    cut=st.integers(0, 9),
    length=st.integers(0, 9),
    scope=st.sampled_from(CompletionScope),
)
def test_nothing_is_given_up_that_would_have_fitted(
    before: str, text: str, cut: int, length: int, scope: CompletionScope
) -> None:
    """What a suggestion begins with is never a no, at whatever point it is asked."""
    shown = postprocess(text, at_end(before), scope).text
    if shown is not None:
        assert may_begin_with(text[:cut], shown[:length], at_end(before))
