"""What the extension offers in the extension host, checked by an extension there."""

from collections.abc import Generator

import pytest
from vscode.followed_log import EventLog, FollowedLog
from vscode.window import Window

pytestmark = pytest.mark.editor


@pytest.fixture(scope="module")
def results(shared_window: Window) -> Generator[EventLog]:
    """The results of the runner's checks, as they come."""
    with FollowedLog(shared_window.workspace / "api-results.jsonl") as log:
        shared_window.command("Check Midfill's API")
        yield EventLog(log)


@pytest.mark.parametrize(
    "name",
    ["activation", "commands", "settings", "trust", "provider", "restart", "toggle"],
)
def test_api(results: EventLog, name: str) -> None:
    """The runner's check of this name, in runner.js, holds."""
    result = results.wait("check", name=name, timeout_s=60)
    assert result["error"] is None, result["error"]
