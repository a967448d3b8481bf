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

from lsp_server.values import Completion, Snapshot, Trigger

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
