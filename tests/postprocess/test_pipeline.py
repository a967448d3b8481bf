"""What holds for every generated text, at every cursor."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.postprocess.scope import StopRule
from lsp_server.values import CompletionScope, FinishReason, Snapshot

FRAGMENTS = st.sampled_from(
    [
        "\n",
        "    ",
        "\t",
        "def f(x):",
        "return x",
        "(",
        ")",
        "{",
        "}",
        '"""',
        "'",
        "x",
        "é",
        " ",
        "= 1",
        "```",
        " =",
    ]
)
TEXTS = st.lists(FRAGMENTS, max_size=20).map("".join)
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
SCOPES = st.sampled_from(CompletionScope)
REASONS = st.sampled_from(FinishReason)
LANGUAGES = st.sampled_from(["python", "javascript", "lua", "yaml", "text"])


@st.composite
def cursors(draw: st.DrawFn) -> CursorContext:
    """Draw the cursor of a document, one that splits no line end."""
    end = draw(LINE_ENDS)
    before, after = draw(TEXTS), draw(TEXTS)
    snapshot = Snapshot(
        uri="file:///a",
        language_id=draw(LANGUAGES),
        version=1,
        text=before.replace("\n", end) + after.replace("\n", end),
        offset=len(before.replace("\n", end)),
    )
    return CursorContext.of(snapshot)


@settings(deadline=None)
@given(text=TEXTS, cursor=cursors(), scope=SCOPES, reason=REASONS)
def test_an_outcome_is_a_text_or_a_reason(
    text: str, cursor: CursorContext, scope: CompletionScope, reason: FinishReason
) -> None:
    """Something that shows is left, or the filter that took it is named."""
    outcome = postprocess(text, cursor, scope, finish_reason=reason)
    assert (outcome.text is None) == (outcome.dropped_by is not None)
    assert outcome.text is None or outcome.text.strip()


@settings(deadline=None)
@given(text=TEXTS, cursor=cursors(), reason=REASONS)
def test_a_line_has_no_line_end(
    text: str, cursor: CursorContext, reason: FinishReason
) -> None:
    """A completion of a line never makes a second one."""
    outcome = postprocess(text, cursor, CompletionScope.LINE, finish_reason=reason)
    assert "\n" not in (outcome.text or "")


@settings(deadline=None)
@given(text=TEXTS, cursor=cursors(), scope=SCOPES)
def test_filters_only_take_away(
    text: str, cursor: CursorContext, scope: CompletionScope
) -> None:
    """Every character that is shown was generated, in that order, but for blanks."""
    outcome = postprocess(text, cursor, scope)
    rest = iter("".join(text.split()))
    assert all(char in rest for char in "".join((outcome.text or "").split()))


@settings(deadline=None)
@given(text=TEXTS, cursor=cursors(), scope=SCOPES)
def test_line_ends_are_line_feeds(
    text: str, cursor: CursorContext, scope: CompletionScope
) -> None:
    """Whatever the document and the model have, no carriage return goes out."""
    shown = postprocess(text.replace("\n", "\r\n"), cursor, scope).text or ""
    assert "\r" not in shown
    assert shown == (postprocess(text, cursor, scope).text or "")


@settings(deadline=None)
@given(text=TEXTS, cursor=cursors(), scope=SCOPES)
def test_stopping_early_shows_the_same(
    text: str, cursor: CursorContext, scope: CompletionScope
) -> None:
    """What comes behind the stop rule's word changes nothing."""
    rule = StopRule(cursor, scope)
    until = next((at for at, char in enumerate(text, 1) if rule.feed(char)), len(text))
    whole = postprocess(text, cursor, scope)
    assert whole.text == postprocess(text[:until], cursor, scope).text


@settings(deadline=None)
@given(
    completion=st.text(alphabet="ab(=.1", min_size=1, max_size=10),
    rest=st.text(alphabet="cd,= ", min_size=1, max_size=10),
)
def test_the_rest_of_the_line_is_never_doubled(completion: str, rest: str) -> None:
    """A model that writes on through the rest of the line is cut before it."""
    snapshot = Snapshot(
        uri="file:///a", language_id="python", version=1, text=rest, offset=0
    )
    cursor = CursorContext.of(snapshot)
    shown = postprocess(completion + rest, cursor, CompletionScope.LINE).text
    if rest.strip() and shown is not None:
        assert completion.startswith(shown.rstrip())


@pytest.mark.parametrize("scope", CompletionScope)
def test_large_documents_are_as_short_ones(scope: CompletionScope) -> None:
    """Of ten megabytes, filters and stop rule read what is near the cursor alone."""
    line = "    value = compute(first, second)\n"
    text = "".join(f"value_{at} = (compute({at}))\n    " for at in range(100))
    outcomes = []
    for lines in (2_000, 150_000):
        snapshot = Snapshot(
            uri="file:///a",
            language_id="python",
            version=1,
            text=line * 2 * lines,
            offset=len(line) * lines + 4,
        )
        cursor = CursorContext.of(snapshot)
        rule = StopRule(cursor, scope)
        fed = [rule.feed(text[start : start + 4]) for start in range(0, len(text), 4)]
        outcomes.append((cursor, fed, postprocess(text, cursor, scope)))
    short, large = outcomes
    assert short == large
