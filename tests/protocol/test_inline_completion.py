"""A request is answered from the document as it stood when the request came in."""

import logging

import pytest
from fault_backends import EchoBackend, SlowBackend, completion
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from piped_editor import (
    URI,
    Connect,
    Editor,
    Json,
    change_params,
    completion_params,
    error_code,
)

from lsp_server.outcomes import Completion, RequestTimings
from lsp_server.protocol.inline_completion import rest_of, typed_between
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot, Trigger

METHOD = "textDocument/inlineCompletion"


def selected(text: str, start: int, end: int) -> Json:
    """Describe a selected item of the editor's list, in the first line."""
    replaced = {
        "start": {"line": 0, "character": start},
        "end": {"line": 0, "character": end},
    }
    return {"range": replaced, "text": text}


def backend_of(*answers: tuple[str, int | None, int | None]) -> EchoBackend:
    """Make a backend that answers with these texts over these offsets."""

    class Fixed(EchoBackend):
        async def answer(self, snapshot: Snapshot) -> tuple[Completion, ...]:
            return tuple(
                completion(snapshot, text, start=start, end=end)
                for text, start, end in answers
            )

    return Fixed()


async def test_a_change_right_behind_a_request_does_not_reach_it(
    editor: Editor, backend: EchoBackend
) -> None:
    """Even when both arrive in one read, the request sees the text before."""
    editor.open("before")
    editor.send(
        {"id": 50, "method": METHOD, "params": completion_params(0, 6)},
        {
            "method": "textDocument/didChange",
            "params": change_params(2, {"text": "befored"}),
        },
    )
    (item,) = await editor.items(50)
    at = {"line": 0, "character": 7}
    assert ("one", {"start": at, "end": at}) == (item["insertText"], item["range"])
    assert 1 == len(await editor.complete(0, 5))
    seen = [(snapshot.version, snapshot.text) for snapshot in backend.snapshots]
    assert [(1, "before"), (2, "befored")] == seen


async def test_a_change_right_behind_a_request_can_make_it_useless(
    editor: Editor, backend: EchoBackend
) -> None:
    """What no suggestion could have typed is answered with nothing, at no cost."""
    editor.open("before")
    editor.send(
        {"id": 50, "method": METHOD, "params": completion_params(0, 6)},
        {
            "method": "textDocument/didChange",
            "params": change_params(2, {"text": "after"}),
        },
    )
    assert [] == await editor.items(50)
    assert [] == backend.snapshots


@pytest.mark.parametrize(
    ("kind", "trigger"), [(1, Trigger.INVOKED), (2, Trigger.AUTOMATIC)]
)
async def test_who_asked_is_handed_on(
    editor: Editor, backend: EchoBackend, kind: int, trigger: Trigger
) -> None:
    """A key stroke and an explicit wish are told apart."""
    editor.open("x")
    await editor.complete(triggerKind=kind)
    assert [trigger] == backend.triggers


async def test_request_ids_never_repeat(editor: Editor, backend: EchoBackend) -> None:
    """An editor may use an id again; below the protocol each request has its own."""
    editor.open("x")
    for _ in range(3):
        request: Json = {"id": "same", "method": METHOD}
        editor.send({**request, "params": completion_params()})
        await editor.reply_count("same", len(backend.request_ids) + 1)
    assert 3 == len(set(backend.request_ids))


async def test_a_newer_request_gets_the_answer(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The older one of the same document is empty, no error, and nothing is logged."""
    caplog.set_level(logging.WARNING)
    backend = SlowBackend()
    editor = await connect(backend)
    await editor.initialize()
    editor.open("x")
    older = editor.ask_completion()
    await backend.begun.acquire()
    newer = editor.ask_completion()
    assert [] == await editor.items(older)
    await backend.begun.acquire()
    backend.release.set()
    assert 1 == len(await editor.items(newer))
    assert (1, 0) == (backend.cancelled, backend.running)
    assert [] == caplog.records


async def test_a_cancelled_request_is_taken_back(connect: Connect) -> None:
    """The reply is RequestCancelled, and the backend's work is cancelled."""
    backend = SlowBackend()
    editor = await connect(backend)
    await editor.initialize()
    editor.open("x")
    asked = editor.ask_completion()
    await backend.begun.acquire()
    for message_id in (asked, asked, "unknown"):
        editor.notify("$/cancelRequest", {"id": message_id})
    assert -32800 == error_code(await editor.reply(asked))
    await editor.request("shutdown")
    assert (1, 0) == (backend.cancelled, backend.running)


async def test_a_request_that_is_cancelled_at_once_is_answered_once(
    connect: Connect,
) -> None:
    """Request and cancellation in one read: one reply, and no work is left."""
    backend = SlowBackend()
    editor = await connect(backend)
    await editor.initialize()
    editor.open("x")
    for message_id in range(100, 200):
        editor.send(
            {"id": message_id, "method": METHOD, "params": completion_params()},
            {"method": "$/cancelRequest", "params": {"id": message_id}},
        )
    for message_id in range(100, 200):
        assert -32800 == error_code(await editor.reply(message_id))
    await editor.request("shutdown")
    replied = [m["id"] for m in editor.received if m.get("id") in range(100, 200)]
    assert list(range(100, 200)) == sorted(map(int, map(str, replied)))
    assert 0 == backend.running


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (("X", 4, 4), {"line": 1, "start": 1, "end": 1}),
        (("X", 3, 5), {"line": 1, "start": 0, "end": 3}),
        (("X", 0, 2), {"line": 0, "start": 0, "end": 2}),
        (("X", 0, 4), None),
    ],
)
async def test_items_have_ranges_within_one_line(
    connect: Connect,
    answer: tuple[str, int, int],
    expected: dict[str, int] | None,
) -> None:
    """A range is given in the editor's code units; one over two lines is left out."""
    editor = await connect(backend_of(answer))
    await editor.initialize()
    editor.open("ab\nc😀d")
    found = await editor.complete(1, 1)
    if expected is None:
        assert [] == found
    else:
        start = {"line": expected["line"], "character": expected["start"]}
        end = {"line": expected["line"], "character": expected["end"]}
        (item,) = found
        assert ("X", {"start": start, "end": end}) == (
            item["insertText"],
            item["range"],
        )


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (("(1)", None, None), "print(1)"),
        (("print(1)", 4, None), "print(1)"),
        (("int(1)", 6, None), "print(1)"),
        (("", None, None), None),
        (("other", 4, None), None),
        (("x", 0, None), None),
        (("x", 4, 5), None),
    ],
)
async def test_items_extend_what_is_selected(
    connect: Connect, answer: tuple[str, int | None, int | None], text: str | None
) -> None:
    """With a selected item, an item uses its range and goes on from its text."""
    backend = backend_of(answer)
    editor = await connect(backend)
    await editor.initialize()
    editor.open("x = pri")
    found = await editor.complete(0, 7, selectedCompletionInfo=selected("print", 4, 7))
    (snapshot,) = backend.snapshots
    assert ("x = print", 9) == (snapshot.text, snapshot.offset)
    replaced = {
        "start": {"line": 0, "character": 4},
        "end": {"line": 0, "character": 7},
    }
    expected = [] if text is None else [(text, replaced)]
    assert expected == [(item["insertText"], item["range"]) for item in found]


async def test_a_reversed_selection_gets_nothing(
    editor: Editor, backend: EchoBackend
) -> None:
    """It costs only its own request."""
    editor.open("abc")
    assert [] == await editor.complete(0, 3, selectedCompletionInfo=selected("x", 3, 1))
    assert [] == backend.snapshots
    assert 1 == len(await editor.complete(0, 3))


async def test_what_it_cost_is_told_to_whoever_asks(
    editor: Editor, connect: Connect
) -> None:
    """Timings come before the reply, and only to a client that announced itself."""
    editor.open("x")
    asked = editor.ask_completion()
    await editor.reply(asked)
    timings = {
        "ttftMs": 1.5,
        "totalMs": 2.5,
        "promptTokens": 7,
        "cachedTokens": 3,
        "outputTokens": 2,
        "source": "engine",
    }
    told = editor.told("midfill/completionTimings")
    assert [{"id": asked, **timings}] == told
    plain = await connect(EchoBackend())
    await plain.initialize(capabilities={"experimental": "what"})
    plain.open("x")
    assert 1 == len(await plain.complete())
    assert [] == plain.told("midfill/completionTimings")


@pytest.mark.parametrize(
    ("line", "character", "offset"),
    [(0, 99, 3), (7, 0, 6), (2**31 - 1, 2**31 - 1, 6), (1, 1, 5)],
)
async def test_a_position_outside_of_the_text_is_its_nearest_place(
    editor: Editor, backend: EchoBackend, line: int, character: int, offset: int
) -> None:
    """Past the line end is the line end, past the file its end."""
    editor.open("abc\nde")
    assert 1 == len(await editor.complete(line, character))
    assert offset == backend.snapshots[0].offset


@pytest.mark.parametrize(
    "params",
    [
        None,
        [],
        {},
        {"textDocument": {"uri": 3}},
        {**completion_params(), "position": {"line": "x", "character": 0}},
        {**completion_params(), "position": None},
        completion_params(-1, 0),
        completion_params(0, -1),
        completion_params(0, 2**40),
    ],
)
async def test_parameters_that_do_not_fit_are_refused(
    editor: Editor, params: object
) -> None:
    """The reply is InvalidParams, and the next request is answered."""
    assert -32602 == error_code(await editor.request(METHOD, params))
    editor.open("x")
    assert 1 == len(await editor.complete())


async def test_a_document_that_was_never_opened_gets_nothing(
    editor: Editor, backend: EchoBackend
) -> None:
    """The reply is an empty list, and the engine is not asked."""
    assert [] == await editor.complete(uri="file:///etc/hostname")
    assert [] == backend.snapshots


@pytest.mark.parametrize(
    "change",
    [
        change_params(1, {"text": "stale"}),
        change_params(0, {"text": "stale"}),
        change_params(
            2,
            {
                "range": {
                    "start": {"line": 0, "character": 2},
                    "end": {"line": 0, "character": 1},
                },
                "text": "reversed",
            },
        ),
        {"textDocument": {"uri": "file:///nowhere/a.py"}, "contentChanges": 7},
    ],
)
async def test_a_document_that_is_not_whole_gets_nothing_until_it_is(
    editor: Editor, backend: EchoBackend, change: Json
) -> None:
    """After a change that cannot be followed, only the full text makes it whole."""
    editor.open("abc")
    editor.notify("textDocument/didChange", change)
    assert [] == await editor.complete()
    here = {"line": 0, "character": 0}
    edit: Json = {"range": {"start": here, "end": here}, "text": "x"}
    editor.change(3, edit)
    assert [] == await editor.complete()
    assert [] == backend.snapshots
    editor.change(4, {"text": "whole"})
    assert 1 == len(await editor.complete())
    assert "whole" == backend.snapshots[0].text


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


def typed(text: str, line: int, character: int) -> Json:
    """Describe a change that inserts something."""
    at = {"line": line, "character": character}
    return {"range": {"start": at, "end": at}, "text": text}


class TwoBackend(SlowBackend):
    """Answers with two candidates, once it is released."""

    async def answer(self, snapshot: Snapshot) -> tuple[Completion, ...]:
        await super().answer(snapshot)
        return completion(snapshot, "done()"), completion(snapshot, "draw()")


async def asked(connect: Connect, backend: SlowBackend, text: str) -> Editor:
    """Open a document in an editor whose server has that backend."""
    editor = await connect(backend)
    await editor.initialize()
    editor.open(text)
    return editor


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("d", [("one()", 7), ("raw()", 7)]),
        ("do", [("ne()", 8)]),
        ("done()", []),
    ],
)
async def test_what_was_typed_is_taken_off_each_item(
    connect: Connect, keys: str, expected: list[tuple[str, int]]
) -> None:
    """Each candidate is judged by itself, and the range is where the cursor now is."""
    backend = TwoBackend()
    editor = await asked(connect, backend, "é = 😀.\nx")
    request = editor.ask_completion(0, 6)
    await backend.begun.acquire()
    for at, key in enumerate(keys):
        editor.change(2 + at, typed(key, 0, 6 + at))
    await editor.request("no/such")
    assert keys == backend.typed[0].text
    backend.release.set()
    items = await editor.items(request)
    found = [(item["insertText"], item["range"]) for item in items]
    at_each = [{"line": 0, "character": column} for _, column in expected]
    assert found == [
        (text, {"start": at, "end": at})
        for (text, _), at in zip(expected, at_each, strict=True)
    ]


@pytest.mark.parametrize(
    "change",
    [
        typed("x", 0, 0),
        typed("x", 1, 0),
        {"text": ""},
        {"text": "new"},
        {
            "range": {
                "start": {"line": 0, "character": 2},
                "end": {"line": 0, "character": 3},
            },
            "text": "",
        },
    ],
)
async def test_another_change_aborts_at_once(connect: Connect, change: Json) -> None:
    """The answer is empty before the work is released, and the work is cancelled."""
    backend = SlowBackend()
    editor = await asked(connect, backend, "abc\ndef")
    request = editor.ask_completion(0, 3)
    await backend.begun.acquire()
    editor.change(2, change)
    assert [] == await editor.items(request)
    await editor.request("shutdown")
    assert (1, 0) == (backend.cancelled, backend.running)


@pytest.mark.parametrize("reopened", [False, True])
async def test_closing_aborts_at_once(connect: Connect, reopened: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A document that is closed gets no answer, even if it is open again since."""
    backend = SlowBackend()
    editor = await asked(connect, backend, "abc")
    request = editor.ask_completion(0, 3)
    await backend.begun.acquire()
    editor.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    if reopened:
        editor.open("abc")
    assert [] == await editor.items(request)
    await editor.request("no/such")
    assert 1 == backend.cancelled
    if reopened:
        backend.release.set()
        assert 1 == len(await editor.complete(0, 3))


async def test_what_is_typed_and_taken_back_leaves_the_answer_whole(
    connect: Connect,
) -> None:
    """Back at the text that the request was about, its item stands."""
    backend = SlowBackend()
    editor = await asked(connect, backend, "abc")
    request = editor.ask_completion(0, 3)
    await backend.begun.acquire()
    editor.change(2, typed("d", 0, 3))
    taken_back: Json = {
        "range": {
            "start": {"line": 0, "character": 3},
            "end": {"line": 0, "character": 4},
        },
        "text": "",
    }
    editor.change(3, taken_back)
    await editor.request("no/such")
    backend.release.set()
    (item,) = await editor.items(request)
    assert "done" == item["insertText"]


async def test_a_change_elsewhere_leaves_other_documents_alone(
    connect: Connect,
) -> None:
    """Only the changed document's request is given up."""
    backend = SlowBackend()
    editor = await asked(connect, backend, "abc")
    editor.open("other", uri="file:///nowhere/b.py")
    request = editor.ask_completion(0, 3)
    await backend.begun.acquire()
    editor.change(2, {"text": "x"}, uri="file:///nowhere/b.py")
    await editor.request("no/such")
    backend.release.set()
    assert 1 == len(await editor.items(request))


@pytest.mark.parametrize("text", ["a\r\nb = ", "a\rb = ", "a\nb = ", "a\r\nb\rc\n"])
async def test_text_goes_out_with_line_feeds(connect: Connect, text: str) -> None:
    """Whatever the document has, and whatever the backend says."""

    class TwoLines(SlowBackend):
        async def answer(self, snapshot: Snapshot) -> tuple[Completion, ...]:
            return (completion(snapshot, "1\r\n2\r3\n4"),)

    editor = await asked(connect, TwoLines(), text)
    (item,) = await editor.complete(1, 4)
    assert "1\n2\n3\n4" == item["insertText"]
