"""uvicorn's protocols with deadlines, which uvicorn lacks.

- A request, head and body, and a websocket's message have to arrive in time.
- A client that reads nothing of what is sent is broken off, and so is one that does
  not take the rest when everything was said.
- Connections are bounded (``http_places``), and fragments of a message.
"""

import asyncio
import json
from typing import Any, Protocol

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame

from lsp_server.metrics import Refusal
from lsp_server.protocol.arrival import ArrivalDeadline, ArrivalLimits
from lsp_server.rest.api_errors import Problem
from lsp_server.rest.http_places import HttpPlaces
from lsp_server.rest.request_target import OriginFormConnection

__all__ = ["LimitedHttp", "LimitedWebsocket"]

_MOST_HEAD_BYTES = 64 * 1024
_UNREAD_S = 20.0
_CLOSE_S = 1.0
_MOST_FRAGMENTS = 16_384
"""Of one message: those of 1 KiB are as much as a message may hold."""
_MOST_UNREAD_PONGS_BYTES = 1024 * 1024

_UNREADABLE = Problem(
    status=400,
    kind="invalid_request_error",
    code="invalid_request",
    message="the request: it is not HTTP/1.1, or its head is larger than 64 KiB. Send "
    "HTTP/1.1; the page /docs lists the routes.",
    refusal=Refusal.INVALID,
)


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
        """Begin the time in which a client has to read that has left much unread."""
        if self._reading is None:
            loop = self._protocol.loop
            self._reading = loop.call_later(self._unread_s, self._break_off)

    def resumed(self) -> None:
        """End that time: the client has read most of it."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def closing(self) -> None:
        """Begin the short time that a client has to read the last of what was sent."""
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
    """uvicorn's HTTP/1.1 with deadlines.

    Args:
        config: As uvicorn has it, and so are the next two.
        server_state: What the connections of a server share.
        app_state: The application's own.
        places: The connections that there may be.
        refuse: Answers a client for which there is no room.
    """

    _come_bytes = 0

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        places: HttpPlaces,
        refuse: ASGIApp,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.conn = OriginFormConnection(_MOST_HEAD_BYTES)
        self._places = places
        self._refuse = refuse

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.conn.our_state is h11.IDLE

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it
        """Expect a request, which is due from now on."""
        super().connection_made(transport)
        if not self._places.enter(self):
            self.app = self._refuse
        self._limits = self.make_limits(self)
        self._limits.arrived(begun_bytes=1, is_next=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another."""
        self._places.leave(self)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Expect the next request."""
        self._places.rest(self)
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        self._come_bytes += len(data)
        super().data_received(data)
        if self.transport.get_protocol() is not self:
            # A websocket's by now, whose messages have deadlines of their own.
            return
        if not self._is_arriving():
            self._come_bytes = 0
        self._limits.arrived(begun_bytes=self._come_bytes, is_next=False)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to the websocket's protocol."""
        self._places.leave(self)
        self._limits.ended()
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's own words
        """Answer what is no HTTP in the shape of every other error."""
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.abort()
            return
        body = json.dumps(dict(_UNREADABLE.body)).encode()
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
        }
        for event in (
            h11.Response(status_code=400, headers=[*headers.items()]),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
        self.transport.close()

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
        # An empty fragment begins a message as well.
        begun_bytes = len(self.conn.reader.buffer) + len(self.frames)
        begun_bytes += sum(map(len, self.frames))
        self._limits.arrived(begun_bytes=begun_bytes, is_next=self._is_next)

    def send_receive_event_to_app(self) -> None:
        """Pass a whole message on."""
        self._is_next = True
        super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment of a message, if there are not too many."""
        if len(self.frames) < _MOST_FRAGMENTS:
            super().handle_cont(event)
        elif not self.close_sent:
            self.close_sent = True
            self.conn.fail(CloseCode.POLICY_VIOLATION, "too many fragments")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
            self._limits.closing()

    def handle_ping(self) -> None:
        """Answer, and break off a client that does not read the answers."""
        super().handle_ping()
        if self.transport.get_write_buffer_size() > _MOST_UNREAD_PONGS_BYTES:
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        """Break off a client that does not answer pings."""
        super().keepalive_timeout()
        self._limits.closing()

    async def run_asgi(self) -> None:
        """Serve the client until the application has done so."""
        try:
            await super().run_asgi()
        finally:
            if not self.disconnected:
                self._limits.closing()
