"""A connection of the attached server: whole messages, sent and received unwaited."""

import json
import os
import select
import socket
import time
from typing import Protocol

from lsp_server.errors import DaemonError
from lsp_server.protocol.framing import Frame, FrameDecoder, encode_frame

__all__ = ["ANSWER_TIMEOUT_S", "CHUNK_BYTES", "FramedWire", "OutStream", "Wire"]

ANSWER_TIMEOUT_S = 10.0
"""How long the other end of a new connection may say nothing."""

CHUNK_BYTES = 256 * 1024
_MAX_LINE_BYTES = 64 * 1024
_PIPE_BUF = select.PIPE_BUF


class Wire(Protocol):
    """A connection to the server that completes. No call waits."""

    @property
    def connection(self) -> socket.socket:
        """The socket, for poll(2)."""
        ...

    @property
    def greeted(self) -> bool:
        """Whether the other end has agreed to serve."""
        ...

    @property
    def log(self) -> str:
        """The other end's log file; empty where that is not known."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """How much waits to be sent."""
        ...

    def due_s(self) -> float:
        """Return in how many seconds `tick` is to be called."""
        ...

    def tick(self) -> None:
        """Do what is due.

        Raises:
            DaemonError: The other end has said nothing in time.
        """
        ...

    def send(self, body: bytes) -> None:
        """Queue one message."""
        ...

    def flush(self) -> None:
        """Send what can be sent now.

        Raises:
            OSError: The other end has gone.
        """
        ...

    def receive(self) -> list[bytes] | None:
        """Return the messages that have come; None if the other end has gone.

        Raises:
            DaemonError: It refuses to serve.
        """
        ...

    def half_close(self) -> None:
        """Send nothing more; what the other end still sends can be read."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class FramedWire:
    """LSP's frames on a stream socket, as the daemon takes them after a first line.

    Args:
        connection: The socket, on which nothing has been said.
        hello: The first line, which the daemon answers with a line.

    Attributes:
        connection: The socket.
        greeted: Whether the daemon has agreed to serve.
        log: The daemon's log file; empty where it logs elsewhere.
    """

    def __init__(self, connection: socket.socket, hello: bytes) -> None:
        """Send the hello that introduces this client, before anything else."""
        self.connection = connection
        self.connection.setblocking(False)  # noqa: FBT003 - the library's signature
        self.greeted = False
        self.log = ""
        self._out = OutStream(connection)
        self._out.put(hello)
        self._frames = FrameDecoder()
        self._line = b""
        self._answers_by_s = time.monotonic() + ANSWER_TIMEOUT_S

    @property
    def waiting_bytes(self) -> int:
        """How much waits to be sent."""
        return self._out.waiting_bytes

    def due_s(self) -> float:
        """Return in how many seconds `tick` is to be called."""
        if self.greeted:
            return float("inf")
        return max(0.0, self._answers_by_s - time.monotonic())

    def tick(self) -> None:
        """Check that the daemon has answered in time.

        Raises:
            DaemonError: It has not.
        """
        if not self.greeted and time.monotonic() > self._answers_by_s:
            raise DaemonError(
                "it does not answer",
                subject="the daemon",
                remedy="End it with `midfill daemon stop`",
            )

    def send(self, body: bytes) -> None:
        """Queue one message."""
        self._out.put(encode_frame(body))

    def flush(self) -> None:
        """Send what can be sent now.

        Raises:
            OSError: The daemon has gone.
        """
        self._out.flush()

    def receive(self) -> list[bytes] | None:
        """Return the messages that have come; None if the daemon has gone.

        Raises:
            DaemonError: The daemon refuses to serve.
        """
        try:
            chunk = self.connection.recv(CHUNK_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not chunk:
            return None
        if not self.greeted:
            chunk = self._answer(chunk)
        bodies = []
        for event in self._frames.feed(chunk):
            if not isinstance(event, Frame):
                return None
            bodies.append(event.body)
        return bodies

    def half_close(self) -> None:
        """Tell the daemon that nothing more comes, once all has been sent."""
        if not self._out.waiting_bytes:
            try:
                self.connection.shutdown(socket.SHUT_WR)
            except OSError:
                return

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _answer(self, chunk: bytes) -> bytes:
        """Take the daemon's answer to the hello; return what follows it.

        Raises:
            DaemonError: It refuses.
        """
        line, end, rest = (self._line + chunk).partition(b"\n")
        self._line = line
        if not end and len(line) < _MAX_LINE_BYTES:
            return b""
        try:
            answer = json.loads(line)
            refusal = answer["refusal"]
            self.log = str(answer.get("log", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            refusal = "its answer cannot be understood"
        if refusal:
            raise DaemonError(str(refusal), subject="the daemon", remedy="")
        self.greeted = True
        return rest


class OutStream:
    """Writes bytes to one descriptor without ever blocking.

    A pipe of the editor's cannot be made non-blocking: the setting belongs to everyone
    who has the pipe open. But once it can be written, a write of at most `PIPE_BUF`
    bytes does not block.

    Source: POSIX, write(); pipe(7).
    """

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
