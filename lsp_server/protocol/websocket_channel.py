"""A channel over a websocket: one message of the websocket is one of LSP.

The websocket comes from an HTTP server, which caps messages and the time they take.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Protocol

from lsp_server.protocol.channel import OnLost, StreamEvent
from lsp_server.protocol.framing import Frame

__all__ = ["WebSocket", "WebsocketChannel"]

_MAX_UNREAD_BYTES = 4 * 1024 * 1024
_CLOSE_TIMEOUT_S = 1.0


class WebSocket(Protocol):
    """A websocket that was accepted."""

    async def receive(self) -> bytes | None:
        """Wait for a whole message; None when the client has gone."""
        ...

    async def send(self, body: bytes) -> None:
        """Send a text message, as soon as the client takes it.

        Raises:
            OSError: The client has gone.
        """
        ...

    async def close(self) -> None:
        """Say that this was all.

        Raises:
            OSError: The client has gone.
        """
        ...


class WebsocketChannel:
    """The messages of one client of a websocket.

    Args:
        socket: The websocket; it is closed here, but for that of a lost client, which
            its owner has to break off.
        max_unread_bytes: How much may wait for the client to read it.
    """

    def __init__(
        self, socket: WebSocket, *, max_unread_bytes: int = _MAX_UNREAD_BYTES
    ) -> None:
        """Note the websocket; ``open`` begins."""
        self._socket = socket
        self._max_unread_bytes = max_unread_bytes
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._lost: OnLost | None = None
        self._changed = asyncio.Event()
        self._ending = False
        self._sending: asyncio.Task[None] | None = None

    def open(self, lost: OnLost) -> None:
        """Begin."""
        self._lost = lost
        self._sending = asyncio.create_task(self._send_all(), name="websocket-sender")

    async def events(self) -> AsyncGenerator[StreamEvent]:
        """Yield what comes, until the client ends. Call it once, and close it."""
        while (body := await self._socket.receive()) is not None:
            yield Frame(body)

    def write(self, body: bytes) -> None:
        """Queue one message, and give up a client that leaves too much unread."""
        if self._lost is None:
            return
        self._unread.append(body)
        self._unread_bytes += len(body)
        self._changed.set()
        if self._unread_bytes > self._max_unread_bytes:
            self._break("client does not read")

    async def close(self) -> None:
        """Send what is queued, as far as the client takes it in time, and close."""
        if self._sending is None:
            return
        self._ending = True
        self._changed.set()
        # Not a timeout round an await: this must not raise what sending raises.
        await asyncio.wait({self._sending}, timeout=_CLOSE_TIMEOUT_S)
        self._sending.cancel()

    async def _send_all(self) -> None:
        """Send what is queued, until the end, and say that this was all."""
        try:
            while True:
                while self._unread:
                    await self._socket.send(self._unread[0])
                    if self._unread:
                        self._unread_bytes -= len(self._unread.popleft())
                if self._ending:
                    break
                self._changed.clear()
                await self._changed.wait()
            await self._socket.close()
        except OSError:
            self._break("client has gone")

    def _break(self, reason: str) -> None:
        """Drop what is queued, and report that the client is lost."""
        lost, self._lost = self._lost, None
        self._unread.clear()
        if self._sending is not None and asyncio.current_task() is not self._sending:
            self._sending.cancel()
        if lost is not None:
            lost(reason)
