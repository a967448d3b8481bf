"""An editor made of two pipes, strict about every byte that the server says.

The server runs in the test's own process, or is a real one that ``launch`` starts.
"""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

Json = dict[str, object]

CAPABILITIES: Json = {
    "textDocument": {"inlineCompletion": {}},
    "window": {"workDoneProgress": True},
    "experimental": {"midfill": {"timings": True}},
}
URI = "file:///nowhere/a.py"
_HEADER = re.compile(
    rb"Content-Length: ([0-9]+)\r\n"
    rb"(?:Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n)?\r\n"
)


class Editor:
    """Speaks raw LSP over two pipes, and keeps every message that comes."""

    def __init__(
        self,
        to_server: int,
        server_in: int,
        reader: asyncio.StreamReader,
        transport: asyncio.ReadTransport,
    ) -> None:
        self._to_server = to_server
        self._server_in = server_in
        self.transport = transport
        self._reader = reader
        self._last_id = 0
        self._changed = asyncio.Condition()
        self.received: list[Json] = []
        self.stray = b""
        self._held: list[bytes] | None = None
        self.server: asyncio.Task[int] | None = None
        self.ends: list[int] = []
        self.grants_bars = True
        self.answers = True
        self.chooses: str | None = None
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            try:
                header = await self._reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as error:
                self.stray = error.partial
                return
            matched = _HEADER.fullmatch(header)
            if matched is None:
                self.stray = header + await self._reader.read()
                return
            length = int(matched.group(1))
            await self._take(await self._reader.readexactly(length))

    async def _take(self, body: bytes | str) -> None:
        """Keep a message, and answer it as an editor would."""
        message = json.loads(body)
        creates = message.get("method") == "window/workDoneProgress/create"
        if creates and self.grants_bars:
            with suppress(OSError):  # hung up
                self.send({"id": message["id"], "result": None})
        if message.get("method") == "window/showMessageRequest" and self.answers:
            chosen = {"title": self.chooses} if self.chooses else None
            self.send({"id": message["id"], "result": chosen})
        async with self._changed:
            self.received.append(message)
            self._changed.notify_all()

    def send_body(self, body: bytes) -> None:
        """Send a message's body, whatever it holds."""
        self.send_bytes(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def send_bytes(self, data: bytes) -> None:
        if self._held is None:
            self._write(data)
        else:
            self._held.append(data)

    async def send_long(self, data: bytes) -> None:
        """Send more than the pipe takes at once, while the server reads it.

        An answer to what the server asks meanwhile goes after it, not into it.
        """
        self._held = [data]
        while self._held:
            await asyncio.to_thread(self._write, self._held.pop(0))
        self._held = None

    def _write(self, data: bytes) -> None:
        """Write every byte; it blocks while the pipe is full."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._to_server, rest) :]

    def send(self, *messages: Json) -> None:
        """Send messages in one write, so that they arrive together."""
        self.send_bytes(b"".join(frame({"jsonrpc": "2.0", **m}) for m in messages))

    def notify(self, method: str, params: object) -> None:
        self.send({"method": method, "params": params})

    def ask(self, method: str, params: object = None) -> int:
        self._last_id += 1
        self.ask_with(self._last_id, method, params)
        return self._last_id

    def ask_with(self, message_id: int | str, method: str, params: object) -> None:
        """Ask with a chosen id."""
        self.send({"id": message_id, "method": method, "params": params})

    async def wait(self, found: Callable[[Json], bool]) -> Json:
        """Wait for the first message of which ``found`` is true."""
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: any(map(found, self.received)))
        return next(message for message in self.received if found(message))

    async def reply(self, message_id: int | None) -> Json:
        return await self.wait(
            lambda m: "method" not in m and "id" in m and m["id"] == message_id
        )

    async def reply_count(self, message_id: int | str, count: int) -> None:
        """Wait until so many replies have this id."""
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(
                lambda: count <= [m.get("id") for m in self.received].count(message_id)
            )

    async def request(self, method: str, params: object = None) -> Json:
        return await self.reply(self.ask(method, params))

    async def initialize(self, **extra: object) -> Json:
        params: Json = {"capabilities": CAPABILITIES, "processId": os.getpid()}
        reply = await self.request("initialize", {**params, **extra})
        self.notify("initialized", {})
        return reply

    async def wait_until_ready(self) -> None:
        """Wait for the end of a progress bar."""
        await self.wait(_ends_a_bar)

    def open(self, text: str, *, uri: str = URI, version: int = 1) -> None:
        item = {"uri": uri, "languageId": "python", "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, version: int, *changes: Json, uri: str = URI) -> None:
        self.notify("textDocument/didChange", change_params(version, *changes, uri=uri))

    def ask_completion(
        self, line: int = 0, character: int = 0, *, uri: str = URI, **context: object
    ) -> int:
        params = completion_params(line, character, uri=uri, **context)
        return self.ask("textDocument/inlineCompletion", params)

    async def complete(
        self, line: int = 0, character: int = 0, *, uri: str = URI, **context: object
    ) -> list[Json]:
        return await self.items(
            self.ask_completion(line, character, uri=uri, **context)
        )

    async def items(self, asked: int) -> list[Json]:
        """Wait for the reply to a request for a completion, and give its items."""
        result = (await self.reply(asked))["result"]
        assert isinstance(result, list)
        return result

    def reported(self, method: str) -> list[Json]:
        """Return the parameters of all notifications of a method until now."""
        found = [m["params"] for m in self.received if m.get("method") == method]
        return [params for params in found if isinstance(params, dict)]

    def stop_reading(self) -> None:
        """Leave everything that the server says in the pipe."""
        self.reading.cancel()
        self.transport.pause_reading()

    def hang_up(self) -> None:
        """Close our end of the server's input."""
        if self._to_server >= 0:
            os.close(self._to_server)
            self._to_server = -1

    def break_server_input(self) -> None:
        """Close the server's end of its input, as the end of its process would."""
        null_fd = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null_fd, self._server_in)
        os.close(null_fd)

    async def exit_code(self) -> int:
        assert self.server is not None
        async with asyncio.timeout(60):
            return await self.server


def _ends_a_bar(message: Json) -> bool:
    """Return whether a message is the end of a progress bar."""
    params = message.get("params")
    value = params.get("value") if isinstance(params, dict) else None
    return isinstance(value, dict) and value.get("kind") == "end"


def frame(message: object) -> bytes:
    """Put a header before a message."""
    body = json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def change_params(version: int, *changes: Json, uri: str = URI) -> Json:
    """Make the parameters of a change."""
    return {
        "textDocument": {"uri": uri, "version": version},
        "contentChanges": list(changes),
    }


def completion_params(
    line: int = 0, character: int = 0, *, uri: str = URI, **context: object
) -> Json:
    """Make the parameters of a request for a completion."""
    return {
        "textDocument": {"uri": uri},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": 1, **context},
    }


def error_code(reply: Json) -> object:
    """Return an error reply's code."""
    error = reply["error"]
    assert isinstance(error, dict)
    return error["code"]


Connect = Callable[..., Awaitable[Editor]]
