"""A connection to a team server: one message of a websocket is one of LSP.

Only what attaches to a team server loads this: `ssl` and `websockets` take time.
"""

import socket
import ssl
import time
from contextlib import suppress

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode

from lsp_server.client.wire import ANSWER_TIMEOUT_S, CHUNK_BYTES
from lsp_server.errors import DaemonError

__all__ = ["MAX_BODY_BYTES", "WebsocketWire"]

MAX_BODY_BYTES = 16 * 1024 * 1024
"""The largest message that a team server takes."""

_SEND_BYTES = 16 * 1024
_MOST_READS = 64
"""Of at most one TLS record each; what is left wakes poll(2) again."""

_PING_AFTER_S, _LOST_AFTER_S = 10.0, 20.0
_UNBLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class WebsocketWire:
    """LSP over a websocket that is open. No call waits.

    A server that says nothing for ten seconds is asked for a sign of life, and lost
    after twenty.

    Args:
        connection: The socket, which has TLS unless it is of this machine.
        protocol: The websocket, open; what it has received is taken first.
        subject: Names the server in errors.

    Attributes:
        connection: The socket.
        greeted: Whether the server has sent a message.
        log: Empty: its log is on another machine.
    """

    log = ""

    def __init__(
        self,
        connection: socket.socket,
        protocol: ClientProtocol,
        *,
        subject: str,
    ) -> None:
        """Use a socket whose websocket handshake is over."""
        self.connection = connection
        self.connection.setblocking(False)  # noqa: FBT003 - the library's signature
        self.greeted = False
        self._protocol = protocol
        self._subject = subject
        self._out = bytearray()
        self._parts: list[bytes] = []
        self._has_pinged = False
        self._heard_s = self._opened_s = time.monotonic()

    @property
    def waiting_bytes(self) -> int:
        """How much waits to be sent."""
        return len(self._out)

    def due_s(self) -> float:
        """Return in how many seconds `tick` is to be called."""
        silent_s = _LOST_AFTER_S if self._has_pinged else _PING_AFTER_S
        by_s = self._heard_s + silent_s
        if not self.greeted:
            by_s = min(by_s, self._opened_s + ANSWER_TIMEOUT_S)
        return max(0.0, by_s - time.monotonic())

    def tick(self) -> None:
        """Ask a silent server for a sign of life, and break off one that gives none.

        Raises:
            DaemonError: It never said anything.
        """
        now_s = time.monotonic()
        if not self.greeted and now_s >= self._opened_s + ANSWER_TIMEOUT_S:
            raise DaemonError(
                "it does not answer", subject=self._subject, remedy="It is asked again"
            )
        silent_s = now_s - self._heard_s
        if silent_s >= _LOST_AFTER_S:
            self._break()
        elif silent_s >= _PING_AFTER_S and not self._has_pinged:
            self._has_pinged = True
            self._protocol.send_ping(b"")
            self._put()

    def send(self, body: bytes) -> None:
        """Queue one message; one that the server would not take is left out."""
        if len(body) <= MAX_BODY_BYTES:
            with suppress(InvalidState):
                self._protocol.send_text(body)
            self._put()

    def flush(self) -> None:
        """Send what can be sent now.

        Raises:
            OSError: The server has gone.
        """
        while self._out:
            try:
                sent = self.connection.send(self._out[:_SEND_BYTES])
            except _UNBLOCKED:
                return
            del self._out[:sent]

    def receive(self) -> list[bytes] | None:
        """Return the messages that have come; None if the server has gone."""
        bodies: list[bytes] = []
        for _ in range(_MOST_READS):
            try:
                chunk = self.connection.recv(CHUNK_BYTES)
            except _UNBLOCKED:
                break
            except OSError:
                return None
            if not chunk:
                return None
            self._heard_s = time.monotonic()
            self._has_pinged = False
            self._protocol.receive_data(chunk)
            for event in self._protocol.events_received():
                if isinstance(event, Frame):
                    bodies += self._take(event)
            if self._protocol.parser_exc or self._protocol.close_rcvd:
                return None
        self._put()
        return bodies

    def half_close(self) -> None:
        """Send a close frame; the server still sends what it has."""
        with suppress(InvalidState):
            self._protocol.send_close(1000)
        self._put()
        # It may be gone; then nobody needs an answer.
        with suppress(OSError):
            self.flush()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _take(self, frame: Frame) -> list[bytes]:
        """Return the message that a frame completes, if it does."""
        if frame.opcode not in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            return []
        self.greeted = True
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return []
        body = b"".join(self._parts)
        self._parts.clear()
        return [body]

    def _put(self) -> None:
        """Queue what the websocket wants sent."""
        for data in self._protocol.data_to_send():
            self._out += data

    def _break(self) -> None:
        """End the socket, so that the next `receive` finds its end."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
