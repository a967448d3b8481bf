"""Serves the REST API within a running event loop, by uvicorn."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lsp_server.errors import ConfigError
from lsp_server.rest.app import make_app
from lsp_server.rest.services import RestServices

__all__ = ["bind", "serve_rest", "split_address"]

_log = logging.getLogger(__name__)

_HEAD_DEADLINE_S = 10.0
"""How long the head of a request may take, from its first byte or the connection on."""

_WRITE_DEADLINE_S = 30.0
"""How long a client may read nothing while an answer waits for it."""

_MOST_CONNECTIONS = 2048
_MOST_HEAD_BYTES = 65_536
_BACKLOG = 512
_END_LIMIT_S = 2
_MOST_PORT = 65_535


class _Protocol(H11Protocol):
    """uvicorn's HTTP, with deadlines for clients that neither send nor read."""

    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(_HEAD_DEADLINE_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the deadlines."""
        self._end_head_timer()
        self._end_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take data; a request whose head is not complete by then has a deadline."""
        super().data_received(data)
        cycle: object = self.cycle
        if cycle is not None and not self.cycle.response_complete:
            self._end_head_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(
                _HEAD_DEADLINE_S, self.transport.abort
            )

    def on_response_complete(self) -> None:
        """Go on to the next request, whose head's deadline begins with its data."""
        self._end_head_timer()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin to wait until the client reads."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(
            _WRITE_DEADLINE_S, self.transport.abort
        )

    def resume_writing(self) -> None:
        """Go on writing."""
        self._end_write_timer()
        super().resume_writing()

    def _end_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


class _Server(uvicorn.Server):
    """uvicorn's server, which leaves signals to the process that it runs in."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def serve_rest(
    services: RestServices,
    listen: str | socket.socket,
    *,
    tls: ssl.SSLContext | None = None,
) -> AsyncGenerator[int]:
    """Serve the REST API within the block; yields the port.

    At the end no new connection is taken, and requests have two seconds to complete.
    Whether the address is safe to listen on is the caller's question:
    `access.hosts.check_listener`.

    Args:
        services: What it works with; ended by the caller, afterwards.
        listen: ``HOST:PORT``, or a socket that is bound.
        tls: The certificate; None for plain HTTP.

    Raises:
        ConfigError: The address cannot be listened on, or a setting is wrong.
    """
    app = make_app(services)
    bound = bind(listen) if isinstance(listen, str) else listen
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        h11_max_incomplete_event_size=_MOST_HEAD_BYTES,
        timeout_graceful_shutdown=_END_LIMIT_S,
        ssl_context_factory=None if tls is None else lambda _config, _make: tls,
    )
    # Whoever sends what is no HTTP would fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[bound]), name="rest")
    port = int(bound.getsockname()[1])
    try:
        while not (server.started or serving.done()):  # noqa: ASYNC110  uvicorn sends no event
            await asyncio.sleep(0.001)
        _log.info("rest.listening", extra={"port": port, "tls": tls is not None})
        yield port
    finally:
        server.should_exit = True
        await asyncio.wait({serving})
        bound.close()


def bind(address: str) -> socket.socket:
    """Return a socket that is bound to ``HOST:PORT``.

    Raises:
        ConfigError: The address is not one, or it is in use.
    """
    host, port = split_address(address)
    try:
        [(family, _, _, _, where), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        # With the protocol named, or asyncio leaves Nagle's algorithm on, which holds
        # the second part of every answer back for 40 ms.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(where)
            bound.listen(_BACKLOG)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise ConfigError(
            f"it cannot be listened on ({error.strerror or error})",
            subject=f"rest.listen {address!r}",
            remedy="choose another port, or end the process that has it",
        ) from error
    return bound


def split_address(address: str) -> tuple[str, int]:
    """Return the host and the port of ``HOST:PORT``; IPv6 stands in brackets.

    Raises:
        ConfigError: It is not of that form.
    """
    host, colon, port = address.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not (colon and bare and port.isdecimal() and int(port) <= _MOST_PORT):
        raise ConfigError(
            "it is not HOST:PORT",
            subject=f"rest.listen {address!r}",
            remedy="write for example 127.0.0.1:8012",
        )
    return bare, int(port)
