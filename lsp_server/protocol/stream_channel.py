"""A channel over a stream socket: Unix, TCP or TLS, with limits for whoever connects.

- A message has to be complete within its deadline (``arrival``).
- A message that is too long is skipped, and the next one is read.
- A client that does not read is disconnected, and so is one that sends no frames.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from lsp_server.protocol.arrival import ArrivalDeadline, ArrivalLimits
from lsp_server.protocol.channel import OnLost, StreamEvent
from lsp_server.protocol.framing import FrameDecoder, UnreadableStream, encode_frame

__all__ = ["StreamChannel", "StreamLimits", "close_stream"]

_CHUNK_BYTES = 256 * 1024
_CLOSE_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """What a client of a socket may do.

    Attributes:
        max_body_bytes: The longest message that is read.
        max_unread_bytes: How much may wait for the client to read it, beyond what the
            operating system holds.
        arrival: How slowly a message may come.
    """

    max_body_bytes: int = 16 * 1024 * 1024
    max_unread_bytes: int = 4 * 1024 * 1024
    arrival: ArrivalLimits = field(default_factory=ArrivalLimits)


class StreamChannel:
    """The frames of one client of a socket.

    Args:
        reader: What comes; something may have been read from it already.
        writer: What goes out; it is closed here.
        head: What was read of the first frame already.
        limits: What the client may do.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        head: bytes = b"",
        limits: StreamLimits | None = None,
    ) -> None:
        """Note the streams; ``open`` begins."""
        limits = limits or StreamLimits()
        self._reader = reader
        self._writer = writer
        self._head = head
        self._max_unread_bytes = limits.max_unread_bytes
        self._frames = FrameDecoder(limits.max_body_bytes)
        self._deadline = ArrivalDeadline(limits.arrival)
        self._lost: OnLost | None = None

    def open(self, lost: OnLost) -> None:
        """Begin."""
        self._lost = lost

    async def events(self) -> AsyncGenerator[StreamEvent]:
        """Yield what comes, until the client ends. Call it once, and close it."""
        loop = asyncio.get_running_loop()
        chunk = self._head or await self._read()
        while chunk:
            is_next = False
            for event in self._frames.feed(chunk):
                yield event
                is_next = True
            self._deadline.update(
                now_s=loop.time(),
                begun_bytes=self._frames.begun_bytes,
                is_next=is_next,
            )
            if self._deadline.at_s is None:
                chunk = await self._read()
                continue
            try:
                async with asyncio.timeout_at(self._deadline.at_s):
                    chunk = await self._read()
            except TimeoutError:
                yield UnreadableStream("a message was begun and not finished in time")
                return

    def write(self, body: bytes) -> None:
        """Queue one message, and give up a client that leaves too much unread."""
        if self._lost is None or self._writer.is_closing():
            return
        self._writer.write(encode_frame(body))
        transport = self._writer.transport
        if transport.get_write_buffer_size() > self._max_unread_bytes:
            lost, self._lost = self._lost, None
            transport.abort()
            lost("client does not read")

    async def close(self) -> None:
        """Write what is queued, as far as the client takes it in time, and close."""
        self._lost = None
        await close_stream(self._writer)

    async def _read(self) -> bytes:
        """Wait for something to come; nothing when the client has gone."""
        try:
            return await self._reader.read(_CHUNK_BYTES)
        except OSError:
            return b""


async def close_stream(writer: asyncio.StreamWriter) -> None:
    """Write what is queued, as far as the peer takes it in time, and close.

    It may be called again. Waiting is a task of its own, since what is cancelled in
    `StreamWriter.wait_closed` can never be waited for again.
    """
    writer.close()
    closing = asyncio.ensure_future(writer.wait_closed())
    # A connection that was reset is closed as well.
    closing.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        await asyncio.wait({closing}, timeout=_CLOSE_TIMEOUT_S)
    finally:
        writer.transport.abort()
