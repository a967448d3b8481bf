"""Serves the REST API within a running event loop, by uvicorn.

On the same port editors on other machines can have their websocket.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from lsp_server.errors import ConfigError
from lsp_server.rest.app import make_app
from lsp_server.rest.http_limits import LimitedWebsocket
from lsp_server.rest.http_server import HttpServer
from lsp_server.rest.services import RestServices

__all__ = [
    "LSP_PATH",
    "OnWebsocket",
    "bind",
    "reserve",
    "serve_rest",
    "split_address",
    "with_websocket",
]

LSP_PATH = "/lsp"
"""Where editors open a websocket."""

OnWebsocket = Callable[[WebSocket], Awaitable[None]]
"""Lets the client of a websocket in, or not, and serves it to its end."""

_log = logging.getLogger(__name__)

_MOST_WEBSOCKET_BYTES = 16 * 1024 * 1024
_PING_S = 20.0
_BACKLOG = 512
_END_LIMIT_S = 2
_MOST_PORT = 65_535


@asynccontextmanager
async def serve_rest(
    services: RestServices,
    listen: str | socket.socket,
    *,
    tls: ssl.SSLContext | None = None,
    on_websocket: OnWebsocket | None = None,
) -> AsyncGenerator[int]:
    """Serve the REST API within the block; yields the port.

    At the end no new connection is taken, and requests have two seconds to complete.
    Whether the address is safe to listen on is the caller's question:
    `access.hosts.check_listener`.

    Args:
        services: What it works with; ended by the caller, afterwards.
        listen: ``HOST:PORT``, or a socket that is bound.
        tls: The certificate; None for plain HTTP.
        on_websocket: Serves the websockets at `LSP_PATH`; None where there are none.

    Raises:
        ConfigError: The address cannot be listened on, or a setting is wrong.
    """
    app: ASGIApp = make_app(services)
    if on_websocket is not None:
        app = with_websocket(app, on_websocket)
    bound = bind(listen) if isinstance(listen, str) else listen
    config = uvicorn.Config(
        app,
        ws="none" if on_websocket is None else LimitedWebsocket,
        ws_max_size=_MOST_WEBSOCKET_BYTES,
        ws_ping_interval=_PING_S,
        ws_ping_timeout=_PING_S,
        # Source text and what a stranger may choose would be compressed together.
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_END_LIMIT_S,
        ssl_context_factory=None if tls is None else lambda _config, _make: tls,
    )
    # Whoever sends what is no HTTP would fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    server = HttpServer(config)
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


def with_websocket(app: ASGIApp, on_websocket: OnWebsocket) -> ASGIApp:
    """Return an application that serves websockets beside the routes of another."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and scope["path"] == LSP_PATH:
            await on_websocket(WebSocket(scope, receive, send))
        else:
            await app(scope, receive, send)

    return serve


def bind(
    address: str, *, setting: str = "rest.listen", is_shared: bool = False
) -> socket.socket:
    """Return a socket that listens on ``HOST:PORT``.

    Args:
        address: The address.
        setting: Where it stands, for people.
        is_shared: Whether other processes of this user may listen there as well; Linux
            gives each connection to one of them.

    Raises:
        ConfigError: The address is not one, or it is in use.
    """
    bound = reserve(address, setting=setting, is_shared=is_shared)
    try:
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise _not_to_be_had(address, setting, error) from error
    return bound


def reserve(
    address: str, *, setting: str = "rest.listen", is_shared: bool = False
) -> socket.socket:
    """Return a socket that is bound to ``HOST:PORT``, and does not listen; as `bind`.

    Raises:
        ConfigError: The address is not one, or it is in use.
    """
    host, port = split_address(address, setting=setting)
    try:
        [(family, _, _, _, where), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        # With the protocol named, or asyncio leaves Nagle's algorithm on, which holds
        # the second part of every answer back for 40 ms.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if is_shared:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind(where)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise _not_to_be_had(address, setting, error) from error
    return bound


def _not_to_be_had(address: str, setting: str, error: OSError) -> ConfigError:
    return ConfigError(
        f"it cannot be listened on ({error.strerror or error})",
        subject=f"{setting} {address!r}",
        remedy="choose another port, or end the process that has it",
    )


def split_address(address: str, *, setting: str = "rest.listen") -> tuple[str, int]:
    """Return the host and the port of ``HOST:PORT``; IPv6 stands in brackets.

    Args:
        address: The address.
        setting: Where it stands, for people.

    Raises:
        ConfigError: It is not of that form.
    """
    host, colon, port = address.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_address = bool(colon and bare and port.isdecimal())
    if not is_address or int(port) > _MOST_PORT:
        raise ConfigError(
            f"ports end at {_MOST_PORT}" if is_address else "it is not HOST:PORT",
            subject=f"{setting} {address!r}",
            remedy="write for example 127.0.0.1:8012",
        )
    return bare, int(port)
