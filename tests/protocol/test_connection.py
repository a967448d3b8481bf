"""Connections live side by side in a process, and leave nothing behind."""

import asyncio
import gc

import pytest
from fault_backends import EchoBackend, FixedConfigurator, SlowBackend
from lsprotocol import types
from piped_editor import URI, Connect, error_code

from lsp_server.protocol import connection
from lsp_server.protocol.connection import EditorConnection
from lsp_server.protocol.connection_facts import ConnectionFacts, RequestCounts


async def test_two_connections_share_nothing(connect: Connect) -> None:
    """Each has its documents, settings, requests and end."""
    slow, fast = SlowBackend(), EchoBackend()
    settings = [FixedConfigurator(lambda: slow), FixedConfigurator(lambda: fast)]
    first, second = [await connect(configurator=each) for each in settings]
    for name, editor in (("first", first), ("second", second)):
        await editor.initialize(initializationOptions={"name": name})
        editor.open(f"{name} = ")
    waiting = first.ask_completion(0, 8)
    await slow.begun.acquire()
    assert 1 == len(await second.complete(0, 9))
    second.change(2, {"text": "other"})
    second.notify("workspace/didChangeConfiguration", {"settings": {"a": 1}})
    second.notify("$/cancelRequest", {"id": waiting})
    assert 1 == len(await second.complete(0, 5))
    assert [[{"name": "first"}], [{"name": "second"}]] == [s.options for s in settings]
    assert ([], [{"a": 1}]) == (settings[0].settings, settings[1].settings)
    assert ["first = "] == [snapshot.text for snapshot in slow.snapshots]
    assert ["second = ", "other"] == [snapshot.text for snapshot in fast.snapshots]
    await second.request("shutdown")
    second.notify("exit", None)
    assert 0 == await second.exit_code()
    assert (0, 1) == (slow.closed, fast.closed)
    slow.release.set()
    assert 1 == len(await first.items(waiting))
    first.hang_up()
    assert 1 == await first.exit_code()


async def test_a_connection_that_has_ended_is_not_kept(connect: Connect) -> None:
    """A process that serves many editors does not grow with those that have left."""
    editor = await connect(EchoBackend())
    await editor.initialize()
    editor.open("x")
    assert 1 == len(await editor.complete())

    def count() -> int:
        gc.collect()
        # Not isinstance, at which some of PyTorch's objects warn.
        return sum(type(each) is EditorConnection for each in gc.get_objects())

    before = count()
    editor.hang_up()
    await editor.exit_code()
    editor.server = asyncio.create_task(asyncio.sleep(0, 1))
    await editor.server
    assert before - 1 == count()


async def test_a_message_of_countless_parts_is_skipped(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it would hold others up; its document waits to be opened again."""
    monkeypatch.setattr(connection, "_MOST_PARTS", 500)
    editor = await connect(EchoBackend())
    await editor.initialize()
    editor.open("x")
    head = b'{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"a":['
    document = f'"textDocument":{{"uri":"{URI}"}}'.encode()
    editor.send_body(head + b"[]," * 500 + b"[]]," + document + b"}}")
    refused = await editor.reply(None)
    assert -32700 == error_code(refused)
    assert "more than 500 lists and objects" in str(refused)
    assert [] == await editor.complete()
    editor.open("x")
    assert 1 == len(await editor.complete())


def test_what_an_editor_calls_itself_is_one_short_line() -> None:
    """The status shows a line for each; Emacs's version, for one, has two."""
    client = types.ClientInfo(name="emacs", version="30.2 (build 2)\n of 2026")
    facts = ConnectionFacts.of(client, documents=0, counts=RequestCounts())
    assert ("emacs", "30.2 (build 2) of 2026") == (facts.editor, facts.version)
    long = types.ClientInfo(name="x" * 10_000, version=None)
    assert 100 == len(
        ConnectionFacts.of(long, documents=0, counts=RequestCounts()).editor
    )
