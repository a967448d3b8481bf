"""A connection between two processes of one server, which carries many streams.

Either side opens a stream with an order; the other serves it with a task of its own.
Values travel as pickles, so the socket must be one that nobody else can write to, such
as one of a pair that was made for the two. What is sent within one turn of the event
loop goes out as one message: an engine's step has tokens for dozens of requests.
"""

import asyncio
import enum
import logging
import pickle
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self, cast

from lsp_server.errors import EngineDeadError

__all__ = ["Link", "Serve", "Stream"]

_log = logging.getLogger(__name__)

_HEADER = struct.Struct("!I")
_MOST_UNREAD_BYTES = 64 << 20
"""A side that reads so little stands still: the link is cut."""


class _Kind(enum.IntEnum):
    """What one part of a message does to its stream."""

    OPEN = 0
    SEND = 1
    END = 2
    CANCEL = 3


_Part = tuple[int, _Kind, object]
"""The stream's number, what happens to it, and the value; None where there is none."""


class Stream:
    """One exchange on a link: values of this side, and an iterator over the other's.

    Args:
        link: Carries it.
        number: Tells it from the link's other streams.
    """

    def __init__(self, link: "Link", number: int) -> None:
        """Begin with nothing received; `Link.open` makes streams."""
        self._link = link
        self._number = number
        self._received: asyncio.Queue[tuple[_Kind, object]] = asyncio.Queue()
        self._is_over = False

    def send(self, value: object) -> None:
        """Send a value; nothing is sent on a stream that is over."""
        if not self._is_over:
            self._link.write((self._number, _Kind.SEND, value))

    def end(self) -> None:
        """End this side's values; those that were sent before are still read."""
        self._finish(_Kind.END)

    def cancel(self) -> None:
        """End the stream at once: what the other side does for it is cancelled."""
        self._finish(_Kind.CANCEL)

    def take(self, kind: _Kind, value: object) -> None:
        """Queue what the other side has sent, for the iterator."""
        self._received.put_nowait((kind, value))

    def __aiter__(self) -> Self:
        """Iterate over the other side's values until it ends the stream."""
        return self

    async def __anext__(self) -> object:
        """Return the other side's next value.

        Raises:
            EngineDeadError: The other process has gone, or gave the stream up.
        """
        kind, value = await self._received.get()
        if kind is _Kind.SEND:
            return value
        self._is_over = True
        self._link.forget(self._number)
        if kind is _Kind.END:
            raise StopAsyncIteration
        raise EngineDeadError(
            "the process that works on it has gone",
            subject="the link",
            remedy="Send it again",
        )

    async def first(self, limit_s: float) -> object:
        """Return the other side's first value; None where none comes in time."""
        with suppress(TimeoutError, EngineDeadError):
            async with asyncio.timeout(limit_s):
                return await anext(self, None)
        return None

    def _finish(self, kind: _Kind) -> None:
        if not self._is_over:
            self._is_over = True
            self._link.write((self._number, kind, None))
            self._link.forget(self._number)


Serve = Callable[[object, Stream], Awaitable[None]]
"""Serves a stream that the other side has opened, by its order; cancelled with it."""


class Link(asyncio.Protocol):
    """One end of the connection; `connect` makes it.

    Args:
        serve: Serves the streams that the other side opens.
        is_first: Whether this is the end with the even numbers; the other one is not.
    """

    def __init__(self, serve: Serve, *, is_first: bool) -> None:
        """Prepare."""
        self._serve = serve
        self._next = 0 if is_first else 1
        self._streams: dict[int, Stream] = {}
        self._serving: dict[int, asyncio.Task[None]] = {}
        self._waiting: list[_Part] = []
        self._unread = bytearray()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def connect(
        cls, connected: socket.socket, serve: Serve, *, is_first: bool
    ) -> Self:
        """Return this end of a pair of sockets, which it owns from then on."""
        loop = asyncio.get_running_loop()
        made = cls(serve, is_first=is_first)
        await loop.create_unix_connection(lambda: made, sock=connected)
        return made

    @property
    def is_lost(self) -> bool:
        """Whether the other side has gone, or this one has closed the link."""
        return self._lost.done()

    async def wait_until_lost(self) -> None:
        """Return when the other side has gone, or this one has closed the link."""
        await asyncio.shield(self._lost)

    def open(self, order: object) -> Stream:
        """Open a stream; on a lost link it fails as soon as it is read."""
        stream = Stream(self, self._next)
        if self.is_lost:
            stream.take(_Kind.CANCEL, None)
            return stream
        self._streams[self._next] = stream
        self.write((self._next, _Kind.OPEN, order))
        self._next += 2
        return stream

    async def ask(self, order: object, limit_s: float) -> object:
        """Return the one answer to an order; None where none comes in time."""
        stream = self.open(order)
        try:
            return await stream.first(limit_s)
        finally:
            stream.cancel()

    def write(self, part: _Part) -> None:
        """Send a part with whatever else this turn of the event loop sends."""
        if self.is_lost:
            return
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(part)

    def forget(self, number: int) -> None:
        """Drop what still comes for a stream."""
        self._streams.pop(number, None)

    def close(self) -> None:
        """Send what waits, and close the link."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to send."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Unpack the messages that are complete by now."""
        self._unread += data
        begin = 0
        while len(self._unread) - begin >= _HEADER.size:
            (length,) = _HEADER.unpack_from(self._unread, begin)
            end = begin + _HEADER.size + length
            if len(self._unread) < end:
                break
            message = bytes(self._unread[begin + _HEADER.size : end])
            begin = end
            parts: list[_Part] = pickle.loads(message)  # noqa: S301 - of a process of ours
            for part in parts:
                self._take(*part)
        del self._unread[:begin]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        """Cancel what is served, and fail what is open."""
        if not self._lost.done():
            self._lost.set_result(None)
        for task in [*self._serving.values()]:
            task.cancel()
        for stream in [*self._streams.values()]:
            stream.take(_Kind.CANCEL, None)
        self._streams.clear()

    def _take(self, number: int, kind: _Kind, value: object) -> None:
        """Do what one part of a message says."""
        if kind is _Kind.OPEN:
            stream = self._streams[number] = Stream(self, number)
            task = self._loop.create_task(self._run(value, stream))
            self._serving[number] = task
            task.add_done_callback(lambda _task: self._served(number, stream))
        elif kind is _Kind.CANCEL and number in self._serving:
            self._serving[number].cancel()
        elif number in self._streams:
            self._streams[number].take(kind, value)

    async def _run(self, order: object, stream: Stream) -> None:
        """Serve one stream to its end."""
        try:
            await self._serve(order, stream)
            stream.end()
        except Exception:  # noqa: BLE001 - one stream must not bring down the others
            _log.exception("link.stream_failed")

    def _served(self, number: int, stream: Stream) -> None:
        """Forget a stream whose task is over, also one that never began."""
        # Over already where it was served to its end.
        stream.cancel()
        self.forget(number)
        self._serving.pop(number, None)

    def _flush(self) -> None:
        """Write what waits as one message."""
        transport, parts = self._transport, self._waiting
        if not parts or transport is None or transport.is_closing():
            return
        self._waiting = []
        message = pickle.dumps(parts, pickle.HIGHEST_PROTOCOL)
        transport.writelines((_HEADER.pack(len(message)), message))
        if transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            _log.error("link.not_read", extra={"most_bytes": _MOST_UNREAD_BYTES})
            transport.abort()
