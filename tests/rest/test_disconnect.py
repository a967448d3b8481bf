"""A client that goes away frees the engine."""

import asyncio
import contextlib

import httpx
import pytest
from rest_server import Serve, Served

from lsp_server.config import SHIPPED_MODEL, ScriptConfig
from lsp_server.metrics import Outcome

LONG = "x = 1\n" * 100
SLOW = ScriptConfig(token_delay_ms=20)


async def until_aborted(served: Served, count: int) -> None:
    """Wait until so many generations were aborted."""
    async with asyncio.timeout(60):
        while len(served.engine.aborted) < count:  # noqa: ASYNC110  the engine has no event
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("path", ["/v1/completions", "/infill"])
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_generations_are_aborted_before_they_end(
    serve: Serve,
    path: str,
    is_streamed: bool,  # noqa: FBT001  pytest's
) -> None:
    """Whether the answer is a stream or not, at once and when tokens have come.

    How soon, ``benchmarks/disconnect.py`` measures.
    """
    async with serve(LONG, script=SLOW) as served:
        url = httpx.URL(served.url)
        body = b'{"prompt": "a", "max_tokens": 200, "n_predict": 200, "stream": %s}' % (
            b"true" if is_streamed else b"false"
        )
        for number in (1, 2):
            reader, writer = await asyncio.open_connection(url.host, url.port)
            writer.write(
                b"POST %s HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (path.encode(), len(body), body)
            )
            while len(served.engine.requests) < number:  # noqa: ASYNC110  as above
                await asyncio.sleep(0.002)
            if number > 1:
                # What is not streamed shows nothing of its tokens.
                await (reader.read(1) if is_streamed else asyncio.sleep(0.1))
            writer.close()
            await until_aborted(served, number)
            while len(served.metrics.done) < number:  # noqa: ASYNC110  as above
                await asyncio.sleep(0.002)
        assert [Outcome.CANCELLED] * 2 == [each.outcome for each in served.metrics.done]
        assert all(each.saved_tokens > 0 for each in served.metrics.done)
    assert 2 == served.log.read_text(encoding="utf-8").count('"status": 499')


async def test_a_client_that_ends_its_side_is_gone(serve: Serve) -> None:
    """Until something is written to it, it looks like one that has closed both."""
    async with serve(LONG, script=SLOW) as served:
        url = httpx.URL(served.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        body = b'{"prompt": "a", "max_tokens": 200}'
        writer.write(
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )
        while not served.engine.requests:  # noqa: ASYNC110  as above
            await asyncio.sleep(0.002)
        writer.write_eof()
        await until_aborted(served, 1)
        assert b"" == await reader.read()
        writer.close()


async def test_every_choice_is_aborted(serve: Serve) -> None:
    """With several texts none goes on."""
    async with serve(LONG, script=SLOW) as served:
        create = served.openai().completions.create
        stream = await create(
            model=SHIPPED_MODEL, prompt="a", max_tokens=200, n=3, stream=True
        )
        async for _ in stream:
            break
        await stream.close()
        await until_aborted(served, 3)


async def test_a_client_that_never_reads_has_bounded_room(serve: Serve) -> None:
    """The server goes on with others, and ends with such a client connected."""
    async with serve(LONG) as served:
        url = httpx.URL(served.url)
        _, writer = await asyncio.open_connection(url.host, url.port, limit=1)
        body = b'{"prompt": "a", "max_tokens": 600, "n": 4, "stream": true}'
        writer.write(
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )
        answer = await served.http.post("/infill", json={"prompt": "b"})
        assert 200 == answer.status_code
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
