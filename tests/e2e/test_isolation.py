"""Nobody ever gets somebody else's completion, however many share the engine."""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from piped_editor import CAPABILITIES, change_params, completion_params, frame

from lsp_server.daemon.endpoint import find_endpoint
from lsp_server.daemon.hello import Hello, Origin, Purpose

ECHO = Path(__file__).parents[1] / "servers" / "echo_daemon.py"
URI = "file:///project/same.py"
METHOD = "textDocument/inlineCompletion"
SETTINGS = {
    "MIDFILL_ENGINE_KIND": "scripted",
    "MIDFILL_LOG_LEVEL": "warning",
    "MIDFILL_COMPLETION_CANDIDATES": "1",
    # On a busy machine they wait, and are not refused.
    "MIDFILL_ADMISSION_MAX_WAIT_MS": "0",
    "MIDFILL_COMPLETION_DEADLINE_MS": "0",
}
TAKEN_BACK_EVERY = 5


class Client:
    """One of many editors: all have the same document, message ids and versions."""

    def __init__(self, number: int, counts: Counter[str]) -> None:
        self._number = number
        self._counts = counts
        self._pending: dict[int, asyncio.Future[object]] = {}
        self._last_id = 0

    async def use(self, socket: Path, requests: int) -> None:
        """Ask so often, and compare each answer with what belongs there."""
        reader, self._writer = await asyncio.open_unix_connection(socket)
        self._writer.write(
            Hello(purpose=Purpose.EDITOR, origin=Origin(environment=SETTINGS)).line()
        )
        assert "" == json.loads(await reader.readline())["refusal"]
        reading = asyncio.create_task(self._read(reader))
        await self._ask("initialize", {"capabilities": CAPABILITIES, "processId": None})
        self._send(method="initialized", params={})
        item = {"uri": URI, "languageId": "python", "version": 0, "text": ""}
        self._send(method="textDocument/didOpen", params={"textDocument": item})
        for number in range(1, requests + 1):
            await self._edit_and_ask(number)
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await reading

    async def _edit_and_ask(self, number: int) -> None:
        """Put a mark of its own into the document, and ask for it.

        Now and then another one stands there before, and its request is taken back.
        """
        mark = f"c{self._number}r{number}"
        taken_back = None
        if number % TAKEN_BACK_EVERY == 0:
            taken_back = self._edit(2 * number, f"{mark}000")
            self._send(method="$/cancelRequest", params={"id": self._last_id})
        wanted = self._edit(2 * number + 1, mark)
        if taken_back is not None and await taken_back not in ([], None):
            self._counts[f"taken back: {await taken_back}"] += 1
        result = await wanted
        assert isinstance(result, list)
        texts = [item["insertText"] for item in result]
        kind = "right" if texts == [f'"{mark}"'] else f"wrong: {mark} {texts}"
        self._counts[kind] += 1

    def _edit(self, version: int, mark: str) -> "asyncio.Future[object]":
        text = f"# {mark}\nowner = "
        self._send(
            method="textDocument/didChange",
            params=change_params(version, {"text": text}, uri=URI),
        )
        return self._ask(METHOD, completion_params(1, 8, uri=URI))

    def _ask(self, method: str, params: object) -> "asyncio.Future[object]":
        self._last_id += 1
        reply = asyncio.get_running_loop().create_future()
        self._pending[self._last_id] = reply
        self._send(id=self._last_id, method=method, params=params)
        return reply

    def _send(self, **message: object) -> None:
        self._writer.write(frame({"jsonrpc": "2.0", **message}))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Take every reply; one that nobody asked for is counted."""
        while header := await reader.readline():
            await reader.readline()
            length = int(header.removeprefix(b"Content-Length: "))
            message = json.loads(await reader.readexactly(length))
            if "method" in message and "id" in message:
                self._send(id=message["id"], result=None)
            elif "id" in message:
                self._take(message)

    def _take(self, message: dict[str, object]) -> None:
        reply = self._pending.pop(int(str(message["id"])), None)
        if reply is None:
            self._counts["unasked"] += 1
        elif "error" in message:
            # Of the requests only those that were taken back may fail.
            reply.set_result(None)
        else:
            reply.set_result(message["result"])


@pytest.fixture
async def socket(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Path]:
    """Return the socket of a daemon whose answers prove whose they are."""
    # A socket's path is short.
    with tempfile.TemporaryDirectory(prefix="mf-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        daemon = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ECHO)),
            env=os.environ | SETTINGS,
            stdout=asyncio.subprocess.PIPE,
        )
        assert daemon.stdout is not None
        try:
            assert b"ready\n" == await daemon.stdout.readline()
            yield find_endpoint().socket_path
        finally:
            daemon.terminate()
            await daemon.wait()


@pytest.mark.parametrize(
    ("clients", "requests"),
    [
        (16, 25),
        pytest.param(64, 1000, marks=[pytest.mark.slow, pytest.mark.timeout(3000)]),
    ],
)
async def test_every_answer_is_its_askers(
    socket: Path, clients: int, requests: int
) -> None:
    """Not one crosses over, with the same ids, documents and versions everywhere."""
    counts: Counter[str] = Counter()
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(Client(number, counts).use(socket, requests))

    assert {"right": clients * requests} == dict(counts)
