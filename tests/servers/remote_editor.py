"""Editors on sockets, which say what the editor of pipes says."""

import asyncio
import json
from contextlib import suppress

from piped_editor import Editor, Json
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed


class SocketEditor(Editor):
    """Speaks framed LSP over a stream socket."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.writer = writer
        assert isinstance(writer.transport, asyncio.Transport)
        super().__init__(-1, -1, reader, writer.transport)

    def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)

    def hang_up(self) -> None:
        """Be gone, as when the process is killed."""
        self.writer.transport.abort()

    async def drip(self: Editor, data: bytes, *, pause_s: float) -> int:
        """Send one byte after the other until the server ends; return how many."""
        for number, byte in enumerate(data):
            if self.reading.done():
                return number
            self.send_bytes(bytes([byte]))
            await asyncio.sleep(pause_s)
        return len(data)


class WebsocketEditor(Editor):
    """Speaks LSP over a websocket, one message each."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self._sending: set[asyncio.Task[None]] = set()
        super().__init__(-1, -1, asyncio.StreamReader(), websocket.transport)

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for body in self.websocket:
                await self._take(body)

    def send_body(self, body: bytes) -> None:
        # Begun in the order of the calls, and written at once.
        task = asyncio.create_task(self._send(body))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def send(self, *messages: Json) -> None:
        for message in messages:
            self.send_body(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def send_bytes(self, data: bytes) -> None:
        """Write below the websocket."""
        self.websocket.transport.write(data)

    async def _send(self, body: bytes) -> None:
        with suppress(ConnectionClosed):
            await self.websocket.send(body)

    def hang_up(self) -> None:
        self.websocket.transport.abort()

    drip = SocketEditor.drip
