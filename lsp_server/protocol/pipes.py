"""Reads and writes the editor's pipes without ever blocking the event loop.

A descriptor that an editor gives us may be a pipe, a socket, a terminal or a file. The
loop reads as soon as something has come, for a thread would first have to wait for the
interpreter. Only blocking calls work on every kind of descriptor, so a file is read by
a thread, and everything is written by one. The threads are daemons: one that hangs in
a dead pipe does not keep the process.
"""

import asyncio
import os
import queue
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial

__all__ = ["PipeReader", "PipeWriter", "Stdio", "claim_stdio"]


_CHUNK_BYTES = 256 * 1024
_CHUNKS_AHEAD = 16
_MAX_UNREAD_BYTES = 64 * 1024 * 1024


class PipeReader:
    """Reads a descriptor in chunks, at most a few ahead of whoever takes them.

    Args:
        fd: An open descriptor; it is not closed here.
    """

    def __init__(self, fd: int) -> None:
        """Note the descriptor; reading begins with ``chunks``."""
        self._fd = fd

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield what comes, until the other side ends. Call it once, and close it."""
        if not self._is_readable():
            return
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[bytes] = asyncio.Queue()

        def read() -> None:
            chunk = self._read_chunk()
            arrived.put_nowait(chunk)
            if not chunk or arrived.qsize() >= _CHUNKS_AHEAD:
                loop.remove_reader(self._fd)

        try:
            loop.add_reader(self._fd, read)
        except OSError:
            # A file has nothing to wait for, and can still be slow to read.
            async with aclosing(self._chunks_from_thread()) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        try:
            while chunk := await arrived.get():
                yield chunk
                if arrived.qsize() == _CHUNKS_AHEAD - 1:
                    loop.add_reader(self._fd, read)
        finally:
            loop.remove_reader(self._fd)

    async def _chunks_from_thread(self) -> AsyncGenerator[bytes]:
        """Yield what a thread reads, at most a few chunks ahead."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        room = threading.Semaphore(_CHUNKS_AHEAD)
        closed = threading.Event()

        def read() -> None:
            chunk = b"start"
            # The loop is closed once the server has ended: nobody listens any more.
            with suppress(RuntimeError):
                while chunk:
                    room.acquire()
                    if closed.is_set():
                        return
                    chunk = self._read_chunk()
                    loop.call_soon_threadsafe(arrived.put_nowait, chunk)

        threading.Thread(target=read, name="editor-reader", daemon=True).start()
        try:
            while chunk := await arrived.get():
                yield chunk
                room.release()
        finally:
            # A thread that waits for room would wait for ever.
            closed.set()
            room.release()

    def _is_readable(self) -> bool:
        """Return whether the descriptor may be read; waiting for another never ends."""
        try:
            os.read(self._fd, 0)
        except OSError:
            return False
        return True

    def _read_chunk(self) -> bytes:
        """Read what is there; a broken descriptor is an ended one."""
        try:
            return os.read(self._fd, _CHUNK_BYTES)
        except OSError:
            return b""


class PipeWriter:
    """Writes to a descriptor in the order of the calls.

    Args:
        fd: An open descriptor; it is not closed here.
        lost: Called once in the event loop when the other side has gone, or has left
            too much unread.
        max_unread_bytes: How much may wait for the other side to read it.
    """

    def __init__(
        self,
        fd: int,
        *,
        lost: Callable[[], None],
        max_unread_bytes: int = _MAX_UNREAD_BYTES,
    ) -> None:
        """Begin; this needs a running event loop."""
        self._fd = fd
        self._lost = lost
        self._max_unread_bytes = max_unread_bytes
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._unread_bytes = 0
        self._broken = False
        self._drained = asyncio.Event()
        threading.Thread(target=self._work, name="editor-writer", daemon=True).start()

    def write(self, data: bytes) -> None:
        """Queue some bytes; they are dropped when the other side is lost."""
        if not data:
            return
        with self._lock:
            self._unread_bytes += len(data)
            too_much = self._unread_bytes > self._max_unread_bytes
        if too_much:
            self._break()
        else:
            self._waiting.put(data)

    def close(self) -> None:
        """End after what is queued; what is written later is dropped."""
        self._waiting.put(b"")

    async def drained(self) -> None:
        """Wait until everything before ``close`` is written or given up."""
        await self._drained.wait()

    def _work(self) -> None:
        """Write what is queued, until an empty chunk says that it was the last."""
        while data := self._waiting.get():
            if not self._broken:
                try:
                    _write_all(self._fd, data)
                except OSError:
                    self._call_in_loop(self._break)
            with self._lock:
                self._unread_bytes -= len(data)
        self._call_in_loop(self._drained.set)

    def _break(self) -> None:
        """Stop writing, and report that the other side is lost."""
        if not self._broken:
            self._broken = True
            self._drained.set()
            self._lost()

    def _call_in_loop(self, callback: Callable[[], None]) -> None:
        """Call back in the event loop, if it still runs."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback)


def _write_all(fd: int, data: bytes) -> None:
    """Write every byte; a pipe may take them in several steps."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


_STDIN, _STDOUT, _STDERR = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Stdio:
    """The two descriptors of a connection with an editor.

    Attributes:
        reader_fd: Where the editor's messages come in.
        writer_fd: Where ours go out.
    """

    reader_fd: int
    writer_fd: int


def claim_stdio() -> Stdio:
    """Move the editor's pipes to private descriptors, and return these.

    From then on descriptor 0 is empty, and whatever is written to descriptor 1 goes
    to stderr, whoever writes it: Python, a library in C, or a child process. Child
    processes cannot reach the private descriptors, forked ones included. Call it
    once, before anything that may print is imported.

    Raises:
        OSError: Descriptor 0 or 1 is not open.
    """
    _open_stderr()
    stdio = Stdio(reader_fd=os.dup(_STDIN), writer_fd=os.dup(_STDOUT))
    null_fd = os.open(os.devnull, os.O_RDWR)
    os.dup2(null_fd, _STDIN)
    os.close(null_fd)
    os.dup2(_STDERR, _STDOUT)
    os.register_at_fork(after_in_child=partial(_let_go, stdio))
    return stdio


def _open_stderr() -> None:
    """Put something behind descriptor 2, before another descriptor gets its number."""
    try:
        os.fstat(_STDERR)
    except OSError:
        null_fd = os.open(os.devnull, os.O_RDWR)
        if null_fd != _STDERR:
            os.dup2(null_fd, _STDERR)
            os.close(null_fd)


def _let_go(stdio: Stdio) -> None:
    """Put nothing behind the private descriptors, in a forked child.

    A forked child keeps close-on-exec descriptors, and one that outlived the server
    would keep the editor's pipe open.
    """
    null_fd = os.open(os.devnull, os.O_RDWR)
    for fd in (stdio.reader_fd, stdio.writer_fd):
        os.dup2(null_fd, fd, inheritable=False)
    os.close(null_fd)
