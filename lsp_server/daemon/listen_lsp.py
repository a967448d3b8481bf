"""LSP for editors on other machines: over a websocket, or framed over TCP.

Nobody is served before the gate has let them in. On TCP the key stands in the first
line, as it would in HTTP: ``Authorization: Bearer KEY``.
"""

import asyncio
import itertools
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from starlette.websockets import WebSocket, WebSocketDisconnect

from lsp_server.access.gate import Caller, Gate
from lsp_server.access.keys import NO_KEY, Key, Route
from lsp_server.daemon.places import Places, WaitingRoom
from lsp_server.daemon.websockets_served import AcceptedWebsocket, denial_of
from lsp_server.errors import AccessError, OverloadedError
from lsp_server.protocol.channel import Channel
from lsp_server.protocol.connection import EditorConnection
from lsp_server.protocol.framing import encode_frame
from lsp_server.protocol.messages import Fault
from lsp_server.protocol.stream_channel import StreamChannel, StreamLimits, close_stream
from lsp_server.protocol.suggestion_feedback import SuggestionFeedback
from lsp_server.protocol.websocket_channel import WebsocketChannel
from lsp_server.service.backend import Configurator

__all__ = ["FIRST_LINE_BYTES", "LspListener", "MakeConfigurator", "Visitor"]

FIRST_LINE_BYTES = 8 * 1024
"""The longest first line of a TCP connection, which is its stream's limit."""

_log = logging.getLogger(__name__)

_FIRST_LINE_S = 10.0
_INTRODUCTION_S = 10.0
_END_S = 2.0
_RETRY_S = 30.0
_REQUEST_FAILED = -32803
_AUTHORIZATION = b"authorization"
_FIRST_OF_A_FRAME = (b"content-length", b"content-type")
# A host that vanished is noticed within two minutes.
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """An editor that was let in.

    Attributes:
        name: What tells its connection from others, in the log and in request ids.
        key: Its key when it came.
        identify: Returns its key as it is now; raises `AccessError` once it is revoked.
        end: Ends the connection, for the reason given.
    """

    name: str
    key: Key
    identify: Callable[[], Key]
    end: Callable[[str], None]


MakeConfigurator = Callable[[Visitor], Configurator]
"""Makes what configures the connection of one editor."""


class LspListener:
    """Lets editors in, and serves each until it or the server ends.

    Args:
        gate: Decides who is let in.
        make_configurator: Makes what configures a connection.
        max_connections: How many editors there may be, and as many again of clients of
            TCP that have not sent their key yet.
        limits: What a client of TCP may do.
        feedback: Makes what follows the suggestions of one editor.
        introduction_s: How long an editor that was let in may wait with ``initialize``.
        name: Begins the names of connections; empty where this listener is alone.
    """

    def __init__(
        self,
        gate: Gate,
        make_configurator: MakeConfigurator,
        *,
        max_connections: int,
        limits: StreamLimits | None = None,
        feedback: Callable[[], SuggestionFeedback] = SuggestionFeedback,
        introduction_s: float = _INTRODUCTION_S,
        name: str = "",
    ) -> None:
        self._gate, self._name = gate, f"{name}-" if name else ""
        self._make_configurator = make_configurator
        self._places = Places(max_connections)
        self._waiting = WaitingRoom(max_connections, limit_s=_FIRST_LINE_S)
        self._limits = limits
        self._feedback = feedback
        self._introduction_s = introduction_s
        self._numbers = itertools.count(1)
        self._ends: dict[object, Callable[[str], None]] = {}
        self._serving: set[asyncio.Task[object]] = set()
        self._is_closed = False

    async def serve_websocket(self, websocket: WebSocket) -> None:
        """Serve the client of a websocket, or refuse the handshake."""
        headers = websocket.headers
        caller = Caller(
            hosts=headers.getlist("host"),
            origins=headers.getlist("origin"),
            authorizations=headers.getlist("authorization"),
        )
        try:
            key = self._gate.enter(caller, Route.LSP)
            client = _Client(
                kind="websocket",
                address=websocket.client.host if websocket.client else "",
                key=key,
                authorizations=caller.authorizations,
            )
            channel = WebsocketChannel(AcceptedWebsocket(websocket))
            with self._noted():
                await self._serve(client, channel, welcome=websocket.accept)
        except (AccessError, OverloadedError) as error:
            _log_refusal("websocket", error)
            await websocket.send_denial_response(denial_of(error))
        except WebSocketDisconnect:
            return  # gone before it was let in

    async def serve_stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve the client of a TCP connection, or say why not and close it."""
        _keep_alive(writer.get_extra_info("socket"))
        try:
            with self._noted():
                async with self._waiting.stay():
                    head, authorizations = await _first_line(reader)
                client = _Client(
                    kind="tcp",
                    address=str(writer.get_extra_info("peername")[0]),
                    key=self._gate.admit(authorizations, Route.LSP),
                    authorizations=authorizations,
                )
                channel = StreamChannel(reader, writer, head=head, limits=self._limits)
                await self._serve(client, channel)
        except (AccessError, OverloadedError) as error:
            _log_refusal("tcp", error)
            fault = Fault(code=_REQUEST_FAILED, reason=f"{error.what}: {error.remedy}")
            writer.write(encode_frame(fault.body))
        except (OSError, EOFError, ValueError) as error:
            _log.info("lsp.no_first_line", extra={"error": type(error).__name__})
        finally:
            await close_stream(writer)

    async def close(self) -> None:
        """Let nobody in any more, end every connection, and wait a little for that."""
        self._is_closed = True
        for end in [*self._ends.values()]:
            end("server stops")
        if self._serving:
            await asyncio.wait(set(self._serving), timeout=_END_S)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Have the server's end wait for this task; raises `OverloadedError` in it."""
        if self._is_closed:
            raise OverloadedError(
                "the server ends",
                subject="the connection",
                remedy="Try again later",
                retry_after_s=_RETRY_S,
            )
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._serving.add(task)
        try:
            yield
        finally:
            self._serving.discard(task)

    async def _serve(
        self,
        client: "_Client",
        channel: Channel,
        *,
        welcome: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Serve a client that was let in, until it ends.

        Args:
            client: The client.
            channel: Carries its messages.
            welcome: Called once it has a place, before it is read.

        Raises:
            OverloadedError: There is no place for it.
        """
        name = f"{self._name}{client.kind}-{next(self._numbers)}"
        visitor = Visitor(
            name=name,
            key=client.key,
            identify=lambda: self._gate.admit(client.authorizations, Route.LSP),
            end=partial(self._end, name),
        )
        connection = EditorConnection(
            self._make_configurator(visitor),
            channel,
            name=name,
            is_remote=True,
            feedback=self._feedback(),
        )
        with self._places.take(client.owner, connection):
            if welcome is not None:
                await welcome()
            await self._serve_connection(connection, name, client.key)

    async def _serve_connection(
        self, connection: EditorConnection, name: str, key: Key
    ) -> None:
        """Serve an editor that has a place, and has to introduce itself soon."""

        def end_if_silent() -> None:
            if not connection.is_introduced:
                connection.end("no initialize")

        loop = asyncio.get_running_loop()
        silence = loop.call_later(self._introduction_s, end_if_silent)
        self._ends[name] = connection.end
        _log.info("lsp.connected", extra={"connection": name, "key_id": key.key_id})
        try:
            await connection.serve(on_end=lambda _exit_code: None)
        finally:
            silence.cancel()
            del self._ends[name]

    def _end(self, name: str, reason: str) -> None:
        """End a connection, unless it has ended."""
        if name in self._ends:
            self._ends[name](reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    """Somebody whom the gate has let in.

    Attributes:
        kind: What it speaks: "websocket" or "tcp".
        address: The address that it comes from.
        key: Its key.
        authorizations: What it sent to prove that.
    """

    kind: str
    address: str
    key: Key
    authorizations: Sequence[str]

    @property
    def owner(self) -> str:
        """Who its place belongs to."""
        return self.address if self.key is NO_KEY else self.key.key_id


async def _first_line(reader: asyncio.StreamReader) -> tuple[bytes, tuple[str, ...]]:
    """Read the line with the key; a client that needs none may begin with a frame.

    Returns:
        What was read of the first frame, and the values of ``Authorization``.

    Raises:
        EOFError: The client has gone.
        ValueError: The line is neither, or too long.
    """
    line = await reader.readuntil(b"\n")
    name, _, value = line.partition(b":")
    if name.strip().lower() == _AUTHORIZATION:
        return b"", (value.strip().decode("latin-1"),)
    # A browser that was led here begins with neither.
    if name.strip().lower() not in _FIRST_OF_A_FRAME:
        raise ValueError("the first line is neither a key nor a frame's")
    return line, ()


def _keep_alive(connection: socket.socket) -> None:
    """Have the system notice when the other machine has vanished."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        # Not every system has them.
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _log_refusal(kind: str, error: AccessError | OverloadedError) -> None:
    """Log that somebody was not let in, without what they sent."""
    _log.warning("lsp.refused", extra={"transport": kind, "what": error.what})
