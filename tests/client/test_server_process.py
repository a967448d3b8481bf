"""A lost or careless server is an error that says what to do, never a wait."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest

from lsp_server.client.server_process import ServerProcess
from lsp_server.errors import ClientError
from lsp_server.protocol.framing import encode_frame

RUDE = Path(__file__).parents[1] / "servers" / "rude_server.py"
Open = Callable[..., Awaitable[ServerProcess]]


@pytest.fixture
async def told() -> list[tuple[str, object]]:
    """Keep the notifications."""
    return []


@pytest.fixture
async def connected(
    tmp_path: Path, told: list[tuple[str, object]]
) -> AsyncGenerator[Open]:
    """Open connections to servers that say what they are told to say."""
    opened: list[ServerProcess] = []

    async def connect(*answers: bytes) -> ServerProcess:
        said = [repr(answer)[2:-1].replace("'", "\\'") for answer in answers]
        connection = await ServerProcess.open(
            [sys.executable, str(RUDE), *said],
            stderr_path=tmp_path / "log",
            environment=None,
            on_notification=lambda *heard: told.append(heard),
        )
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        await connection.kill()


async def lost(connection: ServerProcess) -> ClientError:
    """Ask, and wait until the server is lost."""
    reply = connection.send_request("m", None)[1]
    async with asyncio.timeout(20):
        error = await connection.wait_lost()
        with pytest.raises(ClientError):
            await reply
    with pytest.raises(ClientError):
        connection.notify("m", None)
    return error


@pytest.mark.parametrize(
    "answer",
    [
        b"Loading the model\n\r\n\r\n",
        b"INFO\n" + encode_frame(b"{}"),
        encode_frame(b"{}").lower(),
        encode_frame(b"{}").replace(b"\r", b""),
        encode_frame(b"[]"),
        encode_frame(b"{not JSON"),
        encode_frame(b'{"jsonrpc":"2.0","id":99,"result":null}'),
        encode_frame(b'{"jsonrpc":"2.0","id":null,"error":{}}'),
        b"x" * 100_000,
    ],
)
async def test_stray_bytes_lose_the_server(connected: Open, answer: bytes) -> None:
    """One byte that is no message is one too many, as it is for an editor."""
    connection = await connected(answer)
    if answer.startswith(b"x") or b"\r" not in answer:
        # No end of a header comes: the end of the stream shows that it was none.
        reply = connection.send_request("m", None)[1]
        await connection.kill()
        with pytest.raises(ClientError):
            await reply
        return
    error = await lost(connection)
    assert "stray bytes" in error.what
    with pytest.raises(ClientError, match="stray"):
        await connection.wait_exit()


async def test_messages_of_every_kind_are_taken(
    connected: Open, told: list[tuple[str, object]]
) -> None:
    """Replies, errors, notifications, and requests, which are granted."""
    connection = await connected(
        encode_frame(b'{"jsonrpc":"2.0","method":"news","params":[1]}'),
        encode_frame(b'{"jsonrpc":"2.0","id":"w","method":"create","params":{}}'),
        encode_frame(b'{"jsonrpc":"2.0","id":1,"result":7}'),
        encode_frame(b'{"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":"no"}}'),
    )
    first = connection.send_request("m", None)[1]
    with pytest.raises(ClientError, match="error -1, 'no'"):
        await connection.request("m", None)
    assert 7 == (await first).result
    assert [("news", [1]), ("create", {})] == told


async def test_a_server_that_ends_is_told_with_its_last_words(connected: Open) -> None:
    """The error holds the end of its log, and where the rest is."""
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
            on_notification=lambda *_: None,
        )


async def test_a_log_that_is_gone_does_no_harm(connected: Open, tmp_path: Path) -> None:
    """The error is told without it."""
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
