"""What the extension offers in the extension host, checked by an extension there."""

from collections.abc import Generator
from pathlib import Path

import pytest
from editor_server import write_server
from vscode.followed_log import EventLog, FollowedLog
from vscode.windows import Windows

pytestmark = pytest.mark.editor

FILES = {"a.py": "def total(items):", "api-tests.json": "{}"}


@pytest.fixture(scope="module")
def results(
    windows: Windows, tmp_path_factory: pytest.TempPathFactory
) -> Generator[EventLog]:
    """The results of the runner's checks, as they come."""
    folder = tmp_path_factory.mktemp("server")
    server = write_server(folder, {"SCRIPTED_TEXT": "sum(items)"})
    window = windows.open({"midfill.server.path": str(server.program)}, FILES)
    with FollowedLog(Path(window.workspace) / "api-results.jsonl") as log:
        yield EventLog(log)
    server.end()


@pytest.mark.parametrize(
    "name",
    ["activation", "commands", "settings", "trust", "provider", "restart", "toggle"],
)
def test_api(results: EventLog, name: str) -> None:
    """The runner's check of this name, in runner.js, holds."""
    result = results.wait("check", name=name, timeout_s=60)
    assert result["error"] is None, result["error"]
