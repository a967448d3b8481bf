"""The gate in front of every route: who asks, how much, and how long it may take.

Nothing of the application runs before the client was let in and its body is whole.
"""

import asyncio
import logging
import re
import secrets
import traceback

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lsp_server.access.access_log import AccessLog
from lsp_server.access.gate import Caller, Gate
from lsp_server.metrics import Metrics
from lsp_server.protocol.framing import holds_more
from lsp_server.rest.api_errors import ApiError, Problem, problem_of
from lsp_server.rest.exchange import CLIENT_GONE, Exchange, route_of
from lsp_server.rest.streaming import ClientGoneError

__all__ = ["Guard", "answer_problem"]

_log = logging.getLogger(__name__)

_BODY_DEADLINE_S = 10.0
_MOST_PARTS = 20_000
"""Lists and objects of one body; the largest request that is taken has half of them."""

_DOCUMENT_HEADER = "x-session-id"
_ID_HEADER = "x-request-id"
_FIT_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_TOO_LARGE, _TOO_SLOW, _ENCODED = 413, 408, 415
_WEBSOCKET_POLICY = 1008


class Guard:
    """Lets requests through to an application, each with its `Exchange`.

    Args:
        app: The application.
        gate: Decides who may use what.
        access_log: Takes a line for each request.
        metrics: Counts what is refused.
        max_body_bytes: The largest body.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        gate: Gate,
        access_log: AccessLog,
        metrics: Metrics,
        max_body_bytes: int,
    ) -> None:
        """Keep the parts."""
        self._app = app
        self._gate = gate
        self._access_log = access_log
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _WEBSOCKET_POLICY})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client, headers = scope.get("client"), Headers(scope=scope)
        exchange = Exchange(
            request_id=f"rest-{secrets.token_hex(8)}",
            route=route_of(scope["path"]),
            client=client[0] if client else "local",
            document=headers.get(_DOCUMENT_HEADER, ""),
            client_id=_client_id(headers),
        )
        scope["state"] = {**scope.get("state", {}), "exchange": exchange}
        response = _Watch(exchange, send)
        try:
            exchange.key = self._gate.enter(_caller(scope), exchange.route)
            body = await self._read_body(scope, receive)
            response.body_was_read = True
            await self._app(_as_get(scope), _replayed(body, receive), response)
        except ClientGoneError:
            exchange.status = CLIENT_GONE
            _log.info("rest.client_gone", extra=exchange.ids)
        except Exception as error:  # noqa: BLE001  any failure is logged and answered
            problem = problem_of(error)
            note_problem(exchange, problem, error, self._metrics)
            # Once it has begun, ending it without its end says all there is to say.
            if not response.has_begun:
                answer = answer_problem(problem, closes=not response.body_was_read)
                await answer(scope, receive, response)
        finally:
            self._access_log.write(exchange.record)

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes:
        """Read the whole body.

        Raises:
            ApiError: It is too large or compressed, does not come, or has two lengths.
            ClientGoneError: The client has gone.
        """
        headers = Headers(scope=scope)
        if headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
            raise ApiError(
                "its body is compressed, by its header content-encoding",
                remedy="send it as it is, without that header",
                status=_ENCODED,
                code="unsupported_media_type",
            )
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy may take another one of them for the length than this server.
            raise ApiError(
                "it has both content-length and transfer-encoding",
                remedy="send one of the two",
                code="invalid_request",
            )
        stated = headers.get("content-length", "0")
        if stated.isdecimal() and int(stated) > self._max_body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_DEADLINE_S):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGoneError
                    body += message.get("body", b"")
                    if len(body) > self._max_body_bytes:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return _checked(bytes(body))
        except TimeoutError as error:
            raise ApiError(
                f"its body did not come within {_BODY_DEADLINE_S:g} s",
                remedy="send it again",
                status=_TOO_SLOW,
                code="request_timeout",
            ) from error

    def _too_large(self) -> ApiError:
        return ApiError(
            f"its body is larger than {self._max_body_bytes:,} bytes",
            remedy="send less code, or have rest.max_body_bytes raised",
            status=_TOO_LARGE,
            code="request_too_large",
        )


class _Watch:
    """Sends the messages of a response, and notes its status."""

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self._exchange = exchange
        self._send = send
        self.has_begun = False
        self.body_was_read = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            self._exchange.status = message["status"]
            shown = self._exchange.client_id or self._exchange.request_id
            id_header = (_ID_HEADER.encode(), shown.encode())
            message["headers"] = [*message.get("headers", []), id_header]
        await self._send(message)


def note_problem(
    exchange: Exchange, problem: Problem, error: Exception | None, metrics: Metrics
) -> None:
    """Count a refused request, or log why one failed."""
    extra = {
        **exchange.ids,
        "route": exchange.route.value,
        "status": problem.status,
        "code": problem.code,
    }
    if problem.refusal is not None:
        metrics.request_refused(exchange.measured_route, problem.refusal)
        _log.info("rest.refused", extra=extra)
    else:
        # Without its message, which may hold what the client sent.
        _log.error(
            "rest.failed",
            extra={
                **extra,
                "error": type(error).__name__,
                "stack": "".join(traceback.format_tb(error.__traceback__))
                if error is not None
                else "",
            },
        )


def answer_problem(problem: Problem, *, closes: bool = False) -> JSONResponse:
    """Return the response for a problem.

    Args:
        problem: The problem.
        closes: Whether the connection ends, for example since its body was not read.
    """
    headers = dict(problem.headers)
    if closes:
        headers["connection"] = "close"
    return JSONResponse(dict(problem.body), problem.status, headers=headers)


def _client_id(headers: Headers) -> str:
    """Return the one id that a request brings; empty for none, or an unfit one."""
    ids = headers.getlist(_ID_HEADER)
    return ids[0] if len(ids) == 1 and _FIT_ID.fullmatch(ids[0]) else ""


def _caller(scope: Scope) -> Caller:
    headers = Headers(scope=scope)
    return Caller(
        hosts=headers.getlist("host"),
        origins=headers.getlist("origin"),
        authorizations=headers.getlist("authorization"),
    )


def _as_get(scope: Scope) -> Scope:
    """Return what a request asks the routes; HEAD has GET's answer, without its body.

    The server in front of the application leaves that body out.
    """
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def _checked(body: bytes) -> bytes:
    """Return a body that can be read without holding everybody up.

    Raises:
        ApiError: It cannot.
    """
    if holds_more(body, _MOST_PARTS):
        raise ApiError(
            f"its body holds more than {_MOST_PARTS:,} lists and objects",
            remedy="send fewer; the page /docs lists what each route takes",
        )
    return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives a body, and then what comes after it."""
    waiting = [body]

    async def replay() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay
