"""Starlette's websockets as LSP's channel has them, and how a handshake is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from lsp_server.errors import AccessError, NotAuthenticatedError, OverloadedError

__all__ = ["AcceptedWebsocket", "denial_of"]


class AcceptedWebsocket:
    """A websocket that was accepted.

    Args:
        websocket: Starlette's.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> bytes | None:
        """Wait for a whole message; None when the client has gone."""
        message = await self._websocket.receive()
        if message["type"] != "websocket.receive":
            return None
        text: str | None = message.get("text")
        data: bytes = message.get("bytes") or b""
        return data if text is None else text.encode()

    async def send(self, body: bytes) -> None:
        """Send a text message."""
        with _as_connection_error():
            await self._websocket.send_text(body.decode())

    async def close(self) -> None:
        """Say that this was all."""
        with _as_connection_error():
            await self._websocket.close()


@contextmanager
def _as_connection_error() -> Iterator[None]:
    """Raise what Starlette raises of a client that has gone as what it is."""
    try:
        yield
    except (WebSocketDisconnect, RuntimeError) as error:
        raise ConnectionError("the client has gone") from error


def denial_of(error: AccessError | OverloadedError) -> JSONResponse:
    """Return the answer to a handshake that is refused."""
    headers = {}
    status = HTTPStatus.FORBIDDEN
    if isinstance(error, NotAuthenticatedError):
        status = HTTPStatus.UNAUTHORIZED
        headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, OverloadedError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
        headers["Retry-After"] = str(round(error.retry_after_s))
    return JSONResponse(
        {"error": {"message": str(error)}}, status_code=status, headers=headers
    )
