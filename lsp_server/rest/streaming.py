"""Work that ends when its client goes, and streams of server-sent events."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from typing import TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

__all__ = ["ClientGoneError", "EventStream", "event", "first_of", "while_connected"]

_T = TypeVar("_T")


class ClientGoneError(Exception):
    """The client closed its connection before the response was complete."""


async def while_connected(receive: Receive, work: Awaitable[_T]) -> _T:
    """Return what work returns; cancel it when the client goes.

    Args:
        receive: The ASGI function, once the body was read.
        work: What the client waits for.

    Raises:
        ClientGoneError: The client has gone, and the work was cancelled.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_until_gone(receive))
    both = {working, gone}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGoneError
    finally:
        for task in both:
            task.cancel()
        await asyncio.wait(both)


class EventStream(Response):
    """A response of server-sent events, which ends when its client goes.

    Args:
        first: The first event, encoded; None if there is none.
        events: The others, a generator that has begun; closed in any case.
        headers: Headers beside those of every stream.
    """

    def __init__(
        self,
        first: bytes | None,
        events: AsyncGenerator[bytes],
        *,
        headers: Mapping[str, str],
    ) -> None:
        """Keep the events."""
        self._first = first
        self._events = events
        self.status_code = 200
        self.background = None
        # Proxies such as nginx would hold a stream back without the second header.
        self.init_headers(
            {
                "content-type": "text/event-stream; charset=utf-8",
                "cache-control": "no-cache",
                "x-accel-buffering": "no",
                **headers,
            }
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's signature
        """Send the events as they come.

        Raises:
            ClientGoneError: The client has gone before the last one.
        """
        async with aclosing(self._events):
            await while_connected(receive, self._send_all(send))

    async def _send_all(self, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        if self._first is not None:
            await self._send(send, self._first)
            async for each in self._events:
                await self._send(send, each)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, body: bytes) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": True})


def event(content: Mapping[str, object] | str) -> bytes:
    """Encode one event; a text stands for itself."""
    text = content if isinstance(content, str) else json.dumps(content)
    return f"data: {text}\n\n".encode()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def first_of(events: AsyncGenerator[_T]) -> _T | None:
    """Return the first item of a stream, which is closed if that fails; None if none.

    Raises:
        Exception: What the stream raised instead.
    """
    try:
        return await anext(events, None)
    except BaseException:
        await events.aclose()
        raise
