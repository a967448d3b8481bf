"""Serves a team's clients on sockets: HTTP and websockets on one, TCP on another."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from lsp_server.daemon.listen_lsp import FIRST_LINE_BYTES
from lsp_server.daemon.listener import BACKLOG
from lsp_server.daemon.team import Team
from lsp_server.rest.serve import serve_rest

__all__ = ["port_of", "served_on"]

_TLS_HANDSHAKE_S = 10.0


@asynccontextmanager
async def served_on(
    served: Team,
    http: socket.socket,
    tcp: socket.socket | None,
    *,
    tls: ssl.SSLContext | None,
) -> AsyncGenerator[None]:
    """Serve clients within the block, and close the sockets at its end.

    Args:
        served: What they get.
        http: Where the REST API is, and the websocket for editors.
        tcp: Where LSP over TCP is; None for nowhere.
        tls: The certificate; None for none.
    """
    async with AsyncExitStack() as stack:
        on_websocket = served.lsp.serve_websocket
        await stack.enter_async_context(
            serve_rest(served.services, http, tls=tls, on_websocket=on_websocket)
        )
        if tcp is not None:
            server = await asyncio.start_server(
                served.lsp.serve_stream,
                sock=tcp,
                ssl=tls,
                ssl_handshake_timeout=_TLS_HANDSHAKE_S if tls else None,
                limit=FIRST_LINE_BYTES,
                backlog=BACKLOG,
            )
            stack.callback(server.close)
        yield


def port_of(bound: socket.socket) -> int:
    """Return the port that a socket is bound to."""
    return int(bound.getsockname()[1])
