"""uvicorn's protocols with deadlines, which uvicorn lacks.

- A request, head and body, and a websocket's message have to arrive in time.
- A client that reads nothing of what is sent is broken off, and so is one that does
  not take the rest when everything was said.
"""

import asyncio
from typing import Protocol

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)

from lsp_server.protocol.arrival import ArrivalDeadline, ArrivalLimits

__all__ = ["LimitedHttp", "LimitedWebsocket"]

_UNREAD_S = 20.0
_CLOSE_S = 1.0


class _Protocol(Protocol):
    """What uvicorn's protocols for HTTP and websockets have in common."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport


class ConnectionLimits:
    """The deadlines of one connection; past one, the connection is broken off.

    Args:
        protocol: The connection's protocol.
        arrival: How slowly a message may come.
        unread_s: How long the client may read nothing while something waits for it.
    """

    def __init__(
        self,
        protocol: _Protocol,
        *,
        arrival: ArrivalLimits | None = None,
        unread_s: float = _UNREAD_S,
    ) -> None:
        self._protocol = protocol
        self._deadline = ArrivalDeadline(arrival or ArrivalLimits())
        self._unread_s = unread_s
        self._arriving: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def arrived(self, *, begun_bytes: int, is_next: bool) -> None:
        """Take note of some bytes, see `ArrivalDeadline.update`."""
        loop = self._protocol.loop
        self._deadline.update(
            now_s=loop.time(), begun_bytes=begun_bytes, is_next=is_next
        )
        if self._arriving is None and self._deadline.at_s is not None:
            self._arriving = loop.call_at(self._deadline.at_s, self._check)

    def paused(self) -> None:
        """Begin the time that a client has to read, which has left much unread."""
        if self._reading is None:
            loop = self._protocol.loop
            self._reading = loop.call_later(self._unread_s, self._break_off)

    def resumed(self) -> None:
        """End that time: the client has read most of it."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def said_all(self) -> None:
        """Leave the client a moment to read the last of what is sent."""
        self.resumed()
        self._reading = self._protocol.loop.call_later(_CLOSE_S, self._break_off)

    def ended(self) -> None:
        """Stop all deadlines: the connection has ended, or another protocol has it."""
        self.resumed()
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _check(self) -> None:
        """Break the connection off if its deadline has passed, else look again."""
        loop, at_s = self._protocol.loop, self._deadline.at_s
        self._arriving = None
        if at_s is None:
            return
        if loop.time() < at_s:
            self._arriving = loop.call_at(at_s, self._check)
        else:
            self._break_off()

    def _break_off(self) -> None:
        self._protocol.transport.abort()


class _Limited(asyncio.Protocol):
    """What both protocols share: a client that does not read, and the end."""

    make_limits = ConnectionLimits
    """Makes the deadlines; tests have shorter ones."""

    _limits: ConnectionLimits

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._limits.paused()

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._limits.resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._limits.ended()
        super().connection_lost(exc)


class LimitedHttp(_Limited, H11Protocol):
    """uvicorn's HTTP/1.1 with deadlines."""

    _come_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it
        """Expect a request, which is due from now on."""
        super().connection_made(transport)
        self._limits = self.make_limits(self)
        self._limits.arrived(begun_bytes=1, is_next=True)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        self._come_bytes += len(data)
        super().data_received(data)
        if not self._is_arriving():
            self._come_bytes = 0
        self._limits.arrived(begun_bytes=self._come_bytes, is_next=False)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to the websocket's protocol."""
        self._limits.ended()
        super().handle_websocket_upgrade(event)

    def _is_arriving(self) -> bool:
        """Return whether a request has begun and is not complete."""
        if self.conn.their_state is h11.SEND_BODY:
            return True
        return self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])


class LimitedWebsocket(_Limited, WebSocketsSansIOProtocol):
    """uvicorn's websocket with deadlines."""

    _is_next = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect the handshake, which has been read already."""
        super().connection_made(transport)
        self._limits = self.make_limits(self)

    def data_received(self, data: bytes) -> None:
        """Take a part of a message."""
        self._is_next = False
        super().data_received(data)
        begun_bytes = len(self.conn.reader.buffer) + sum(map(len, self.frames))
        self._limits.arrived(begun_bytes=begun_bytes, is_next=self._is_next)

    def send_receive_event_to_app(self) -> None:
        """Pass a whole message on."""
        self._is_next = True
        super().send_receive_event_to_app()

    def keepalive_timeout(self) -> None:
        """Break off a client that does not answer pings."""
        super().keepalive_timeout()
        self._limits.said_all()

    async def run_asgi(self) -> None:
        """Serve the client until the application has done so."""
        try:
            await super().run_asgi()
        finally:
            if not self.disconnected:
                self._limits.said_all()
