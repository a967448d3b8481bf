"""A request is answered from the document as it stood when the request came in."""

import logging

import pytest
from fault_backends import EchoBackend, SlowBackend, completion
from piped_editor import (
    Connect,
    Editor,
    Json,
    change_params,
    completion_params,
    error_code,
)

from lsp_server.outcomes import Completion
from lsp_server.values import Snapshot, Trigger

METHOD = "textDocument/inlineCompletion"


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
    """A key stroke and an explicit wish are distinguished."""
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


async def test_what_it_cost_is_reported_to_whoever_asks(
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
    reported = editor.reported("midfill/completionTimings")
    assert [{"id": asked, **timings}] == reported
    plain = await connect(EchoBackend())
    await plain.initialize(capabilities={"experimental": "what"})
    plain.open("x")
    assert 1 == len(await plain.complete())
    assert [] == plain.reported("midfill/completionTimings")


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


@pytest.mark.parametrize("text", ["a\r\nb = ", "a\rb = ", "a\nb = ", "a\r\nb\rc\n"])
async def test_text_goes_out_with_line_feeds(connect: Connect, text: str) -> None:
    """Whatever the document has, and whatever the backend says."""

    class TwoLines(SlowBackend):
        async def answer(self, snapshot: Snapshot) -> tuple[Completion, ...]:
            return (completion(snapshot, "1\r\n2\r3\n4"),)

    editor = await connect(TwoLines())
    await editor.initialize()
    editor.open(text)
    (item,) = await editor.complete(1, 4)
    assert "1\n2\n3\n4" == item["insertText"]
