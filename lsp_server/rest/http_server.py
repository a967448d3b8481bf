"""uvicorn's server with bounds that it lacks: time for TLS, and connections."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from lsp_server.errors import OverloadedError
from lsp_server.rest.api_errors import problem_of
from lsp_server.rest.guard import answer_problem
from lsp_server.rest.http_limits import LimitedHttp
from lsp_server.rest.http_places import HttpPlaces

__all__ = ["HttpServer"]

_TLS_HANDSHAKE_S = 10.0
_MOST_CONNECTIONS = 2048
_RETRY_S = 5.0


class HttpServer(uvicorn.Server):
    """Serves the sockets that it is given.

    - Signals are left to the process that it runs in.
    - A client has ten seconds for the handshake of TLS.
    - Of too many connections the one that was idle for longest ends. A client that
      comes while none is idle is refused, in the shape of every other error.
    """

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the sockets."""
        await super().startup(sockets=[])
        self.started = False
        places = HttpPlaces(_MOST_CONNECTIONS)
        refuse = _refusal()

        def make_protocol() -> LimitedHttp:
            return LimitedHttp(
                self.config,
                self.server_state,
                self.lifespan.state,
                places=places,
                refuse=refuse,
            )

        loop, tls = asyncio.get_running_loop(), self.config.ssl
        for bound in sockets or []:
            listening = await loop.create_server(
                make_protocol,
                sock=bound,
                ssl=tls,
                ssl_handshake_timeout=None if tls is None else _TLS_HANDSHAKE_S,
                backlog=self.config.backlog,
            )
            self.servers.append(listening)
        self.started = True


def _refusal() -> ASGIApp:
    """Return what answers a client for which there is no connection left."""
    error = OverloadedError(
        f"all {_MOST_CONNECTIONS:,} connections are at work for others",
        subject="the server",
        remedy="Try again later, and use one connection for many requests",
        retry_after_s=_RETRY_S,
    )
    return answer_problem(problem_of(error), closes=True)
