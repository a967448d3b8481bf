"""Bytes to a descriptor that never block whoever writes them.

A pipe of the editor's cannot be made non-blocking: the setting belongs to everyone who
has the pipe open. But once it can be written, a write of at most `PIPE_BUF` bytes does
not block.

Source: POSIX, write(); pipe(7).
"""

import os
import select
import socket

__all__ = ["OutStream"]

_PIPE_BUF = select.PIPE_BUF


class OutStream:
    """What waits to be written to one descriptor."""

    def __init__(self, target: "int | socket.socket") -> None:
        """Begin with nothing; the descriptor is not closed here."""
        self._target = target
        self._waiting = bytearray()

    @property
    def waiting_bytes(self) -> int:
        """How much waits."""
        return len(self._waiting)

    def put(self, data: bytes) -> None:
        """Add bytes to what waits."""
        self._waiting += data

    def flush(self) -> None:
        """Write what can be written now.

        Raises:
            OSError: The other side has gone.
        """
        while self._waiting and self._write():
            continue

    def _write(self) -> bool:
        """Write a part; return whether the next one may be tried."""
        if isinstance(self._target, socket.socket):
            try:
                del self._waiting[: self._target.send(self._waiting)]
            except BlockingIOError:
                return False
            return True
        ready = select.poll()
        ready.register(self._target, select.POLLOUT)
        if not ready.poll(0):
            return False
        del self._waiting[: os.write(self._target, self._waiting[:_PIPE_BUF])]
        return True
