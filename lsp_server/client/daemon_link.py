"""The attached server's connection to the daemon, made again whenever it breaks."""

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lsp_server.client.poll_stream import OutStream
from lsp_server.errors import DaemonError
from lsp_server.protocol.framing import Frame, FrameDecoder, encode_frame

__all__ = ["Attempt", "DaemonLink", "Dialled", "Dialling"]

_CHUNK_BYTES = 256 * 1024
_MAX_LINE_BYTES = 64 * 1024
_ANSWER_TIMEOUT_S = 10.0
_LOOK_EVERY_S = 0.02
_WATCH_EVERY_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_STABLE_S = 10.0
_RESTART_GRACE_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """A connection to the daemon, on which nothing has been said.

    Attributes:
        connection: The socket.
        hello: What is to be said first.
    """

    connection: socket.socket
    hello: bytes


Attempt = Callable[[], Dialled | None]
"""Connects to a daemon that may be starting, if it listens by now; returns at once.

Raises `DaemonError` where there is none, and there will be none.
"""


class Dialling(Protocol):
    """Finds the daemon; a new attempt for each time that it is lost."""

    def watch(self) -> Dialled | None:
        """Connect to a daemon that listens; None where none does.

        Raises:
            DaemonError: What is there cannot be trusted.
        """
        ...

    def start(self) -> Attempt:
        """Return an attempt that starts the daemon if there is none.

        Raises:
            DaemonError: There is no place for a daemon.
        """
        ...


class DaemonLink:
    """Finds the daemon, sends to it and receives from it, without ever waiting.

    Args:
        dialling: Finds the daemon.

    Attributes:
        greeted: Whether the daemon has agreed to serve on this connection.
        log: The daemon's log file; empty where it logs elsewhere.
    """

    def __init__(self, dialling: Dialling) -> None:
        """Begin without a connection; `tick` makes one."""
        self._dialling = dialling
        self._attempt: Attempt | None = None
        self._starts_from_s = 0.0
        self._next_s = 0.0
        self._pause_s = 0.0
        self._connection: socket.socket | None = None
        self._out = OutStream(-1)
        self._frames = FrameDecoder()
        self._line = b""
        self._connected_s = 0.0
        self.greeted = False
        self.log = ""

    @property
    def connection(self) -> socket.socket | None:
        """The socket; None while there is no connection."""
        return self._connection

    @property
    def waiting_bytes(self) -> int:
        """How much waits to be sent."""
        return self._out.waiting_bytes

    def due_s(self) -> float:
        """Return in how many seconds `tick` is to be called."""
        if self._connection is None:
            return max(0.0, self._next_s - time.monotonic())
        if not self.greeted:
            return max(0.0, self._connected_s + _ANSWER_TIMEOUT_S - time.monotonic())
        return float("inf")

    def tick(self) -> bool:
        """Look for the daemon if it is time; return whether a connection was made.

        Raises:
            DaemonError: There is no daemon; the next try comes after a pause.
        """
        now_s = time.monotonic()
        if self._connection is not None:
            if not self.greeted and now_s > self._connected_s + _ANSWER_TIMEOUT_S:
                raise DaemonError(
                    "it does not answer",
                    subject="the daemon",
                    remedy="End it with `midfill daemon stop`",
                )
            return False
        if now_s < self._next_s:
            return False
        may_start = now_s >= self._starts_from_s
        self._next_s = now_s + (_LOOK_EVERY_S if may_start else _WATCH_EVERY_S)
        try:
            if may_start:
                self._attempt = self._attempt or self._dialling.start()
                dialled = self._attempt()
            else:
                dialled = self._dialling.watch()
        except DaemonError:
            self._attempt = None
            self._pause()
            raise
        if dialled is None:
            return False
        self._begin(dialled)
        return True

    def send(self, body: bytes) -> None:
        """Queue one message."""
        self._out.put(encode_frame(body))

    def flush(self) -> None:
        """Send what can be sent now.

        Raises:
            OSError: The daemon has gone.
        """
        self._out.flush()

    def half_close(self) -> None:
        """Tell the daemon that nothing more comes."""
        if self._connection is not None and not self._out.waiting_bytes:
            try:
                self._connection.shutdown(socket.SHUT_WR)
            except OSError:
                return

    def receive(self) -> list[bytes] | None:
        """Return the messages that have come; None if the daemon has gone.

        Raises:
            DaemonError: The daemon refuses to serve.
        """
        if self._connection is None:
            return []
        try:
            chunk = self._connection.recv(_CHUNK_BYTES)
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

    def lose(self, *, ending: str) -> None:
        """Close the connection, and look for another daemon.

        Args:
            ending: Why the daemon ended; empty if it did not say so.
        """
        now_s = time.monotonic()
        self.close()
        self._attempt = None
        if ending == "stop":
            # Who has stopped it does not want another one.
            self._starts_from_s = float("inf")
        elif ending == "restart":
            self._starts_from_s = now_s + _RESTART_GRACE_S
        self._next_s = now_s
        if now_s - self._connected_s < _STABLE_S:
            self._pause()
        else:
            self._pause_s = 0.0

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.greeted = False

    def _begin(self, dialled: Dialled) -> None:
        """Say hello; what is sent from now on comes after it."""
        self._connection = dialled.connection
        self._connection.setblocking(False)  # noqa: FBT003 - the library's signature
        self._out = OutStream(self._connection)
        self._out.put(dialled.hello)
        self._frames = FrameDecoder()
        self._line = b""
        self._attempt = None
        self._starts_from_s = 0.0
        self._connected_s = time.monotonic()

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

    def _pause(self) -> None:
        """Look again after a pause that grows from time to time."""
        longer_s = max(_FIRST_PAUSE_S, 2 * self._pause_s)
        self._pause_s = min(_LONGEST_PAUSE_S, longer_s)
        self._next_s = time.monotonic() + self._pause_s
