"""What a client of HTTP or a websocket may hold, and for how long."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest
from rest_server import Serve, Served
from starlette.websockets import WebSocket
from team_server import write_certificate
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from lsp_server.config import ScriptConfig
from lsp_server.protocol.arrival import ArrivalLimits
from lsp_server.rest import http_server
from lsp_server.rest.http_limits import (
    ConnectionLimits,
    LimitedHttp,
    LimitedWebsocket,
)

LIMIT_S = 60
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def dialled(
    url: str, *, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[Streams]:
    """Connect below HTTP, and hang up at the end."""
    address = httpx.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=tls)
    yield reader, writer
    writer.transport.abort()


async def answer_to(
    streams: Streams, request: bytes
) -> tuple[bytes, dict[str, object]]:
    """Send bytes, and return the head and the error of the answer."""
    reader, writer = streams
    writer.write(request)
    async with asyncio.timeout(LIMIT_S):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    return head, json.loads(body)["error"]


async def test_the_longest_idle_of_too_many_connections_ends(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silent clients, however many, keep nobody out."""
    monkeypatch.setattr(http_server, "_MOST_CONNECTIONS", 3)
    async with serve() as served:
        silent = [dialled(served.url) for _ in range(5)]
        streams = [await each.__aenter__() for each in silent]
        for reader, _ in streams[:2]:
            async with asyncio.timeout(LIMIT_S):
                assert b"" == await reader.read()
        assert 200 == (await served.http.get("/v1/models")).status_code
        for each in silent:
            await each.__aexit__(None, None, None)


async def test_who_finds_every_connection_at_work_is_told_in_openais_shape(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do, and when; the requests at work go on."""
    monkeypatch.setattr(http_server, "_MOST_CONNECTIONS", 1)
    script = ScriptConfig(token_delay_ms=200)
    # Far longer than the test takes on any machine.
    async with serve("a b c d " * 200 + "\n", script=script) as served:
        body = {"prompt": "x", "max_tokens": 1000, "stream": True}
        async with served.http.stream("POST", "/v1/completions", json=body) as busy:
            parts = busy.aiter_lines()
            await anext(parts)
            async with dialled(served.url) as streams:
                request = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
                head, error = await answer_to(streams, request)
            assert ["", "data: {"] == [(await anext(parts))[:7] for _ in range(2)]
    assert head.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 5" in head.lower()
    assert "overloaded" == error["code"]
    assert "at work for others. Try again later" in str(error["message"])


async def test_a_body_of_two_lengths_is_refused(serve: Serve) -> None:
    """A proxy could take the rest for a request of its own; the connection ends."""
    head = b"POST /infill HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
    hidden = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    body = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    async with serve() as served, dialled(served.url) as streams:
        answer, error = await answer_to(streams, head + body + hidden)
        assert not served.engine.requests
    assert answer.startswith(b"HTTP/1.1 400")
    assert "both content-length and transfer-encoding" in str(error["message"])


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n" % (b"x" * 65_536),
    ],
    ids=["no HTTP", "no colon", "two hosts", "a negative length", "a long head"],
)
async def test_what_is_no_http_is_answered_as_every_other_error(
    serve: Serve, request_bytes: bytes
) -> None:
    """In OpenAI's shape, and the connection ends."""
    async with serve() as served, dialled(served.url) as streams:
        head, error = await answer_to(streams, request_bytes)
    assert head.startswith(b"HTTP/1.1 400")
    assert "it is not HTTP/1.1" in str(error["message"])


async def test_half_a_tls_handshake_ends(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that says nothing is not waited for."""
    monkeypatch.setattr(http_server, "_TLS_HANDSHAKE_S", 0.1)
    write_certificate(tmp_path / "tls.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem")
    async with serve(tls=context) as served, dialled(served.url) as (reader, writer):
        writer.write(b"\x16\x03\x01")
        async with asyncio.timeout(LIMIT_S / 2):
            assert b"" == await reader.read()


@asynccontextmanager
async def websocket(served: Served) -> AsyncGenerator[ClientConnection]:
    """Open a websocket whose messages are not taken apart."""
    url = served.url.replace("http", "ws") + "/lsp"
    client = await connect(url, proxy=None, ping_interval=None, compression=None)
    yield client
    client.transport.abort()


async def read_all(socket: WebSocket) -> None:
    """Read the messages of a websocket."""
    await socket.accept()
    while (await socket.receive())["type"] == "websocket.receive":
        pass


def fragments(*sent: tuple[Opcode, bytes]) -> bytes:
    """Return frames that end no message."""
    return b"".join(
        Frame(opcode, data, fin=opcode is Opcode.PING).serialize(mask=True)
        for opcode, data in sent
    )


EMPTY = fragments((Opcode.CONT, b""))


@pytest.mark.parametrize(
    "stalled",
    [
        fragments((Opcode.TEXT, b"")),
        fragments((Opcode.TEXT, b"")) + EMPTY * 100,
        fragments((Opcode.TEXT, b"{"), (Opcode.PING, b"")) + EMPTY,
        fragments((Opcode.TEXT, b""), (Opcode.PING, b"x"), (Opcode.PING, b"")),
    ],
    ids=["empty", "more of nothing", "a ping between", "pings"],
)
async def test_a_message_of_nothing_is_stalled_as_well(
    serve: Serve, stalled: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither empty fragments nor pings give a message that has begun more time."""
    short = partial(ConnectionLimits, arrival=ArrivalLimits(stall_s=0.1))
    monkeypatch.setattr(LimitedWebsocket, "make_limits", short)
    async with serve(on_websocket=read_all) as served, websocket(served) as client:
        client.transport.write(stalled)
        async with asyncio.timeout(LIMIT_S):
            with pytest.raises(ConnectionClosed):
                await client.recv()


async def test_a_websocket_outlives_the_deadline_of_its_handshake(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that came later and asks nothing is broken off, and it is not."""
    short = partial(ConnectionLimits, arrival=ArrivalLimits(stall_s=0.5))
    monkeypatch.setattr(LimitedHttp, "make_limits", short)
    async with (
        serve(on_websocket=read_all) as served,
        websocket(served) as client,
        dialled(served.url) as (reader, _),
        asyncio.timeout(LIMIT_S),
    ):
        assert b"" == await reader.read()
        await (await client.ping())


async def test_a_message_of_countless_fragments_is_refused(serve: Serve) -> None:
    """Keeping them takes a multiple of what they hold."""
    async with serve(on_websocket=read_all) as served, websocket(served) as client:
        # The last one is one too many: what stood unread would break the answer off.
        client.transport.write(fragments((Opcode.TEXT, b"")) + EMPTY * 16_384)
        async with asyncio.timeout(LIMIT_S):
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
    assert closed.value.rcvd is not None
    assert (1008, "too many fragments") == (
        closed.value.rcvd.code,
        closed.value.rcvd.reason,
    )


async def test_a_client_that_pings_and_never_reads_is_broken_off(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the answers fill the memory."""
    patient = partial(ConnectionLimits, unread_s=600)
    monkeypatch.setattr(LimitedWebsocket, "make_limits", patient)
    ping = fragments((Opcode.PING, b"x" * 125)) * 1000
    async with serve(on_websocket=read_all) as served, dialled(served.url) as streams:
        reader, writer = streams
        writer.write(
            b"GET /lsp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b"101" in await reader.readuntil(b"\r\n\r\n")
        # Its buffer fills up, and then that of the system.
        with suppress(ConnectionError):
            for _ in range(500):
                writer.write(ping)
                await writer.drain()
            pytest.fail("64 MB of answers wait for a client that does not read")
