"""A daemon that shall end completes what it has begun."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from piped_editor import completion_params, frame

from lsp_server.daemon.endpoint import find_endpoint
from lsp_server.daemon.hello import Hello, Origin, Purpose

DAEMON = (sys.executable, "-m", "lsp_server", "daemon", "start", "--foreground")
SETTINGS = {
    "MIDFILL_ENGINE_KIND": "scripted",
    "MIDFILL_SCRIPTED_TEXT": "a = 1\n",
    "MIDFILL_SCRIPTED_TOKEN_DELAY_MS": "300",
    "MIDFILL_COMPLETION_CACHE": "false",
}
SHOWS_STATUS = {"experimental": {"midfill": {"status": True}}}
URI = "file:///project/a.py"

Message: TypeAlias = dict[str, object]
Started: TypeAlias = tuple[asyncio.subprocess.Process, Path]


class Peer:
    """An editor that asks and reads by hand."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader, self._writer, self._last_id = reader, writer, 0

    def send(self, method: str, params: object) -> None:
        self._writer.write(
            frame({"jsonrpc": "2.0", "method": method, "params": params})
        )

    def ask(self, method: str, params: object) -> int:
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        self._writer.write(frame({"jsonrpc": "2.0", **message}))
        return self._last_id

    async def message(self, is_wanted: Callable[[Message], bool]) -> Message:
        """Return the next message that is wanted; empty when the connection ends."""
        while header := await self._reader.readline():
            await self._reader.readline()
            length = int(header.removeprefix(b"Content-Length: "))
            message: Message = json.loads(await self._reader.readexactly(length))
            if "method" in message and "id" in message:
                answer = {"jsonrpc": "2.0", "id": message["id"], "result": None}
                self._writer.write(frame(answer))
            elif is_wanted(message):
                return message
        return {}

    async def reply(self, asked: int) -> object:
        """Return the result of a request; None when the connection ends."""
        return (await self.message(lambda m: m.get("id") == asked)).get("result")

    async def ask_and_see_it_run(self) -> int:
        """Ask for a completion, and wait until the server says that it works."""
        asked = self.ask_completion()
        assert await self.message(lambda m: "busy" in str(m.get("params")))
        return asked

    def ask_completion(self) -> int:
        """Ask at the document's one place."""
        params = completion_params(0, 4, uri=URI)
        return self.ask("textDocument/inlineCompletion", params)


@pytest.fixture
async def started(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Started]:
    """Start a daemon, and wait until it listens."""
    with tempfile.TemporaryDirectory(prefix="mf-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        daemon = await asyncio.create_subprocess_exec(
            *DAEMON, env=os.environ | SETTINGS, stderr=asyncio.subprocess.PIPE
        )
        assert daemon.stderr is not None
        while b"daemon.ready" not in (line := await daemon.stderr.readline()):
            assert line, "the daemon ended"
        try:
            yield daemon, find_endpoint().socket_path
        finally:
            if daemon.returncode is None:
                daemon.kill()
            # Its process prints more than the pipe takes while nobody reads.
            await daemon.communicate()


@asynccontextmanager
async def attached(socket: Path) -> AsyncGenerator[Peer]:
    """Attach an editor, and wait until the engine completes."""
    reader, writer = await asyncio.open_unix_connection(socket)
    origin = Origin(environment=SETTINGS)
    writer.write(Hello(purpose=Purpose.EDITOR, origin=origin).line())
    assert "" == json.loads(await reader.readline())["refusal"]
    peer = Peer(reader, writer)
    asked = peer.ask("initialize", {"capabilities": SHOWS_STATUS, "processId": None})
    assert await peer.reply(asked)
    peer.send("initialized", {})
    item = {"uri": URI, "languageId": "python", "version": 0, "text": "x = "}
    peer.send("textDocument/didOpen", {"textDocument": item})
    async with asyncio.timeout(60):
        while not await peer.reply(peer.ask_completion()):
            pass
    yield peer
    writer.close()
    await writer.wait_closed()


async def test_what_runs_is_completed_and_nobody_new_is_taken(started: Started) -> None:
    """SIGTERM in the middle of a completion: its answer comes, then the end."""
    daemon, socket = started
    async with attached(socket) as peer, asyncio.timeout(60):
        asked = await peer.ask_and_see_it_run()
        daemon.send_signal(signal.SIGTERM)
        items = await peer.reply(asked)
        assert isinstance(items, list)
        assert ["a = 1"] == [item["insertText"] for item in items]
        assert 0 == await daemon.wait()
    with pytest.raises(FileNotFoundError):
        await asyncio.open_unix_connection(socket)


async def test_a_second_signal_does_not_wait(started: Started) -> None:
    """Who cannot wait says so once more."""
    daemon, socket = started
    async with attached(socket) as peer, asyncio.timeout(60):
        asked = await peer.ask_and_see_it_run()
        daemon.send_signal(signal.SIGTERM)
        daemon.send_signal(signal.SIGINT)
        assert not await peer.reply(asked)
        assert 0 == await daemon.wait()
