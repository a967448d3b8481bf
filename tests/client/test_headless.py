"""The headless client, in front of real servers with backends of our choice."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from lsp_server import __version__
from lsp_server.client.documents import Suggestion
from lsp_server.client.headless import HeadlessClient, headless_client
from lsp_server.client.news import introduction
from lsp_server.errors import ClientError
from lsp_server.history.events import OWN_CLIENT
from lsp_server.protocol.lines import PositionEncoding
from lsp_server.values import Trigger

SERVERS = Path(__file__).parents[1] / "servers"
NOISY = [sys.executable, str(SERVERS / "noisy_server.py")]
RUDE = [sys.executable, str(SERVERS / "rude_server.py")]
STUCK = [sys.executable, str(SERVERS / "stuck_server.py")]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncGenerator[HeadlessClient]:
    """A client whose server answers ``done``."""
    async with headless_client(
        NOISY, stderr_path=tmp_path / "log", encoding=PositionEncoding.UTF8
    ) as made:
        await made.wait_until_ready(60)
        yield made


async def test_a_file_is_opened_edited_completed_and_closed(
    client: HeadlessClient,
) -> None:
    """Offsets are code points, whatever the encoding of the connection is."""
    uri = "file:///a.py"
    client.open_text(uri, "é = 🚀")
    client.edit(uri, 4, 5, "🚀🚀\nx")
    assert "é = 🚀🚀\nx" == client.text_of(uri)
    for trigger in Trigger:
        answer = await client.complete(uri, 5, trigger=trigger)
        assert (Suggestion(text="done", start=5, end=5),) == answer.suggestions
        assert answer.timings is not None
        assert (7, 3) == (answer.timings.prompt_tokens, answer.timings.cached_tokens)
        assert not answer.cancelled
        assert 0 < answer.round_trip_ms
    client.close_file(uri)
    with pytest.raises(KeyError):
        client.text_of(uri)
    assert () == client.messages
    assert 0 < client.server_process_id


def test_it_says_which_version_it_is() -> None:
    """`midfill daemon status` shows that, as it does of editors."""
    client = introduction(PositionEncoding.UTF8, None).client_info
    assert client is not None
    assert (OWN_CLIENT, __version__) == (client.name, client.version)


async def test_a_server_that_goes_away_is_noticed(tmp_path: Path) -> None:
    """Whoever waits gets an error at once."""
    client = HeadlessClient(PositionEncoding.UTF16)
    await client.start(NOISY, stderr_path=tmp_path / "log", environment=None)
    await client.initialize(None)
    client.open_text("file:///a.py", "x")
    waiting = client.ask("file:///a.py", 0)
    await client.kill()
    with pytest.raises(ClientError):
        await waiting.answer
    with pytest.raises(ClientError):
        await client.wait_until_loading(60)
    with pytest.raises(ClientError):
        await client.complete("file:///a.py", 0)


async def test_waiting_has_an_end(client: HeadlessClient) -> None:
    """An engine that has loaded does not load: the wait runs out of time."""
    with pytest.raises(ClientError, match=r"did not load within 0\.01 s"):
        await client.wait_until_loading(0.01)


async def test_a_client_that_was_not_started() -> None:
    """It says so, and there is nothing to kill."""
    client = HeadlessClient(PositionEncoding.UTF16)
    with pytest.raises(ClientError, match="not started"):
        client.open_text("file:///a.py", "x")
    await client.kill()


async def test_a_server_that_says_no_message_is_killed(tmp_path: Path) -> None:
    """The error says what is wrong, and no process is left."""
    with pytest.raises(ClientError, match="stray"):
        async with headless_client(
            [*RUDE, r"Hello\r\n\r\n"], stderr_path=tmp_path / "log"
        ):
            pass


async def test_a_server_that_cannot_end_ends_all_the_same(tmp_path: Path) -> None:
    """Its backend hangs: five seconds after the editor has gone it is gone as well."""
    client = HeadlessClient(PositionEncoding.UTF16)
    await client.start(STUCK, stderr_path=tmp_path / "log", environment=None)
    try:
        await client.initialize(None)
        await client.wait_until_ready(60)
        client._connected.notify("exit", None)
        async with asyncio.timeout(60):
            assert 1 == await client._connected.wait_exit()
    finally:
        await client.kill()
    assert "server.end_forced" in (tmp_path / "log").read_text()
