"""Two windows of VS Code share one engine with another editor."""

import asyncio
import os
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from vscode.fault_servers import HEAD, Servers, complete, settings
from vscode.windows import Windows

from lsp_server.client.headless import headless_client

sys.path.insert(0, str(Path(__file__).parents[2] / "servers"))

from daemons import DaemonHome, daemon_home

pytestmark = pytest.mark.editor


@pytest.fixture
def home() -> Generator[DaemonHome]:
    """The folders of a user whose editors share a daemon."""
    with daemon_home() as made:
        yield made


def test_two_windows_and_another_editor_share_one_engine(
    home: DaemonHome, servers: Servers, windows: Windows, tmp_path: Path
) -> None:
    """Each completes; one closes, the other goes on, and so it does after a crash."""
    server = servers.make_in(home.environment, DAEMON_MODE="require")
    first, second = (windows.open(settings(server), {"a.py": HEAD}) for _ in range(2))
    for window in (first, second):
        window.page.bring_to_front()
        window.wait_until_ready()
        complete(window)

    async def look_from_another() -> dict[str, object]:
        async with headless_client(
            server.command,
            stderr_path=tmp_path / "headless.log",
            environment=os.environ | home.environment,
        ) as client:
            await client.wait_until_ready(30)
            return home.status()

    # Playwright keeps a loop running in this thread.
    with ThreadPoolExecutor(1) as pool:
        status = pool.submit(asyncio.run, look_from_another()).result()
    engines, connections = status["engines"], status["connections"]
    assert isinstance(engines, list)
    assert isinstance(connections, list)
    names = [each["editor"] for each in connections]
    assert ["code-server"] * 2 == names[:2]
    assert 3 == len(names)
    assert [3] == [each["connections"] for each in engines]
    first.close()
    second.page.bring_to_front()
    complete(second)
    mark = second.events.mark()
    (daemon,) = home.processes()
    daemon.kill()
    second.message("It is being started again").first.wait_for()
    assert 1 == len(second.messages)
    second.shot("daemon-died")
    second.wait_until_ready(since=mark)
    complete(second)
