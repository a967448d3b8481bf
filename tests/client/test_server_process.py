"""A lost or careless server is an error that says what to do, never a wait."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest

from lsp_server.client.news import ServerNews
from lsp_server.client.server_process import ServerProcess
from lsp_server.errors import AnswerError, ClientError
from lsp_server.protocol.framing import encode_frame

RUDE = Path(__file__).parents[1] / "servers" / "rude_server.py"
Open = Callable[..., Awaitable[ServerProcess]]


@pytest.fixture
async def connected(tmp_path: Path) -> AsyncGenerator[Open]:
    """Open connections to servers that say what their arguments say."""
    opened: list[ServerProcess] = []

    async def connect(*answers: bytes, news: ServerNews | None = None) -> ServerProcess:
        said = [repr(answer)[2:-1].replace("'", "\\'") for answer in answers]
        connection = await ServerProcess.open(
            [sys.executable, str(RUDE), *said],
            stderr_path=tmp_path / "log",
            environment=None,
            news=news or ServerNews(),
        )
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        await connection.kill()


@pytest.mark.parametrize(
    "answer",
    [
        b"Loading the model\n\r\n\r\n",
        b"INFO\n" + encode_frame(b"{}"),
        encode_frame(b"{}").lower(),
        encode_frame(b"{}").replace(b"\r", b""),
        encode_frame(b"[]"),
        encode_frame(b"{not JSON"),
        b"x" * 100_000,
    ],
)
async def test_stray_bytes_lose_the_server(connected: Open, answer: bytes) -> None:
    """Bytes that are no message end the connection, as they do for an editor."""
    connection = await connected(answer)
    sent = connection.send_request("m", None)
    async with asyncio.timeout(60):
        error = await connection.wait_lost()
        with pytest.raises(ClientError):
            await connection.result(sent)
    with pytest.raises(ClientError):
        connection.notify("m", None)
    assert "stray bytes" in error.what
    with pytest.raises(ClientError, match="stray"):
        await connection.wait_exit()


async def test_messages_of_every_kind_are_taken(connected: Open) -> None:
    """Replies, errors, notifications, and requests, which are granted."""
    news = ServerNews()
    connection = await connected(
        encode_frame(
            b'{"jsonrpc":"2.0","method":"window/showMessage",'
            b'"params":{"type":3,"message":"hello"}}'
        ),
        encode_frame(
            b'{"jsonrpc":"2.0","id":"w","method":"window/showMessageRequest",'
            b'"params":{"type":1,"message":"no model"}}'
        ),
        encode_frame(b'{"jsonrpc":"2.0","method":"somebody/elses","params":[1]}'),
        encode_frame(b'{"jsonrpc":"2.0","id":99,"result":"to no request"}'),
        encode_frame(b'{"jsonrpc":"2.0","id":1,"result":{"a":[{"b":7}]}}'),
        encode_frame(b'{"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":"no"}}'),
        news=news,
    )
    first = connection.send_request("m", None)
    with pytest.raises(AnswerError, match="answer to m: no") as caught:
        await connection.request("m", None)
    assert -1 == caught.value.code
    assert {"a": [{"b": 7}]} == await connection.result(first)
    assert ["hello", "no model"] == news.messages
    assert "no model" == news.failure


async def test_a_status_says_that_the_engine_failed(connected: Open) -> None:
    """The message for the user may come after the end of the bar, or never."""
    news = ServerNews()
    connection = await connected(
        encode_frame(
            b'{"jsonrpc":"2.0","method":"midfill/status","params":'
            b'{"state":"error","message":"No model.","remedy":"Fetch it"}}'
        ),
        encode_frame(b'{"jsonrpc":"2.0","id":1,"result":null}'),
        news=news,
    )
    await connection.request("m", None)
    assert "No model. Fetch it" == news.failure


async def test_a_silent_server_is_an_error(connected: Open) -> None:
    """Waiting for an answer has an end, and the error shows the log's."""
    connection = await connected()
    with pytest.raises(ClientError, match=r"no answer to 'm' within 0\.5 s") as caught:
        await connection.request("m", None, timeout_s=0.5)
    assert "last words" in caught.value.remedy


async def test_the_error_of_a_server_that_ended_shows_its_log(connected: Open) -> None:
    """The error holds the end of the log, and where the rest is."""
    connection = await connected(encode_frame(b'{"jsonrpc":"2.0","id":1,"result":7}'))
    assert 7 == await connection.request("m", None)
    await connection.kill()
    error = await connection.wait_lost()
    assert "last words" in error.remedy
    assert str(connection.process_id) in error.subject


async def test_a_server_that_does_not_exist(tmp_path: Path) -> None:
    """The command is named."""
    with pytest.raises(ClientError, match="no-such-program"):
        await ServerProcess.open(
            ["/no-such-program"],
            stderr_path=tmp_path / "log",
            environment=None,
            news=ServerNews(),
        )


async def test_a_log_that_is_gone_does_no_harm(connected: Open, tmp_path: Path) -> None:
    """The error comes without it."""
    connection = await connected()
    (tmp_path / "log").unlink()
    await connection.kill()
    assert "cannot be read" in (await connection.wait_lost()).remedy


async def test_a_server_that_lingers_is_killed(
    connected: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for the end of a server that does not end is not for ever."""
    monkeypatch.setattr("lsp_server.client.server_process._EXIT_TIMEOUT_S", 0.1)
    connection = await connected()
    assert -9 == await connection.wait_exit()
