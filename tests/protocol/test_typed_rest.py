"""What was typed is taken off a completion; the rest makes the same text."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lsp_server.outcomes import Completion, RequestTimings
from lsp_server.protocol.inline_completion import rest_of, typed_between
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot

TIMINGS = RequestTimings(
    ttft_ms=None, total_ms=1.0, prompt_tokens=1, cached_tokens=0, output_tokens=1
)


TEXTS = st.lists(st.sampled_from("ab(. \n\r😀é"), max_size=8).map("".join)


@st.composite
def answers(draw: st.DrawFn) -> tuple[Snapshot, Completion]:
    """Draw a document with a cursor, and a completion that may replace text there."""
    before, after, text = draw(TEXTS), draw(TEXTS), draw(TEXTS)
    snapshot = Snapshot(
        uri="file:///a",
        language_id="python",
        version=1,
        text=before + after,
        offset=len(before),
    )
    start = draw(st.integers(0, len(before)) | st.just(len(before)))
    end = draw(st.integers(len(before), len(before + after)) | st.just(len(before)))
    kept = snapshot.text[start : len(before)]
    completion = Completion(
        completion_id="c",
        text=with_line_feeds(draw(st.sampled_from([kept, ""])) + text),
        start=start,
        end=end,
        timings=TIMINGS,
    )
    return snapshot, completion


def applied(text: str, completion: Completion) -> str:
    """Accept a completion, in an editor that shows every line end as a line feed."""
    made = text[: completion.start] + completion.text + text[completion.end :]
    return with_line_feeds(made)


def typed_in(snapshot: Snapshot, typed: str) -> str:
    """The document with something typed at the cursor."""
    return snapshot.before + typed + snapshot.after


@settings(deadline=None, max_examples=500)
@given(answer=answers(), data=st.data())
def test_the_rest_makes_the_same_document(
    answer: tuple[Snapshot, Completion], data: st.DataObject
) -> None:
    """Whatever was typed, an item that is answered makes what the first one makes."""
    snapshot, completion = answer
    kept = snapshot.text[completion.start : snapshot.offset]
    rest = completion.text.removeprefix(with_line_feeds(kept))
    some = st.integers(0, len(rest)).map(lambda length: rest[:length])
    typed = data.draw(some | some.map(lambda text: text.replace("\n", "\r\n")) | TEXTS)
    left = rest_of(completion, snapshot, typed)
    if left is not None:
        now = typed_in(snapshot, typed)
        assert applied(snapshot.text, completion) == applied(now, left)
        assert not typed or left.text


@settings(deadline=None)
@given(answer=answers(), length=st.integers(0, 8))
def test_the_beginning_of_an_insertion_leaves_the_rest(
    answer: tuple[Snapshot, Completion], length: int
) -> None:
    """Typing the first characters of an insertion at the cursor leaves the others."""
    snapshot, completion = answer
    assume(completion.start == completion.end == snapshot.offset)
    # Behind a carriage return a line feed would make one line end of two.
    assume(not (snapshot.before + completion.text[:1]).endswith("\r\n"))
    typed = completion.text[:length]
    left = rest_of(completion, snapshot, typed)
    if len(typed) == len(completion.text) and typed:
        assert left is None
    else:
        assert left is not None
        assert typed + left.text == completion.text
        assert left.start == left.end == snapshot.offset + len(typed)


@settings(deadline=None)
@given(answer=answers(), typed=TEXTS)
def test_what_was_typed_is_read_off_the_text(
    answer: tuple[Snapshot, Completion], typed: str
) -> None:
    """However an editor reports a change, the text at the cursor tells it."""
    snapshot, _ = answer
    assert typed == typed_between(snapshot, typed_in(snapshot, typed))


@settings(deadline=None)
@given(answer=answers(), text=TEXTS)
def test_another_change_is_none_at_the_cursor(
    answer: tuple[Snapshot, Completion], text: str
) -> None:
    """A text that is not the document with more at the cursor was changed elsewhere."""
    snapshot, _ = answer
    typed = typed_between(snapshot, text)
    if typed is None:
        assert not (
            text.startswith(snapshot.before)
            and text.endswith(snapshot.after)
            and len(text) >= len(snapshot.text)
        )
    else:
        assert text == typed_in(snapshot, typed)
