"""What is typed, changed or closed while a completion is generated."""

import pytest
from fault_backends import SlowBackend, completion
from piped_editor import (
    URI,
    Connect,
    Editor,
    Json,
)

from lsp_server.outcomes import Completion
from lsp_server.values import Snapshot

METHOD = "textDocument/inlineCompletion"


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
