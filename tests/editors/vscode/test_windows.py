"""What happens to windows: trust, reloads, two at once, and a browser that dies."""

import os
import signal
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from editor_server import EditorServer, write_server
from obtain.record import ROOT
from playwright.sync_api import BrowserContext, Playwright
from vscode.browser import open_browser
from vscode.code_server import CodeServer
from vscode.window import Window
from vscode.workspace import make_workspace

pytestmark = pytest.mark.editor

ANSWER = "sum(items)"
SHOTS = ROOT / "build" / "editors" / "vscode"
FILES = {"a.py": "def total(items):\n    "}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """A window, the browser that it is in, and its server."""

    window: Window
    profile: Path
    server: EditorServer


@pytest.fixture(scope="module")
def doomed(
    code_server: CodeServer,
    playwright: Playwright,
    editors: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Doomed]:
    """A window in a browser of its own, whose server takes its time to load."""
    folder = tmp_path_factory.mktemp("doomed")
    slow = {"SCRIPTED_TEXT": ANSWER, "SCRIPTED_START_DELAY_MS": "3000"}
    server = write_server(folder / "server", slow)
    workspace = make_workspace(
        folder / "workspace", FILES, {"midfill.server.path": str(server.program)}
    )
    profile = folder / "profile"
    with open_browser(playwright, editors, profile) as context:
        window = Window(context, code_server, workspace, SHOTS)
        window.show("a.py")
        yield Doomed(window=window, profile=profile, server=server)
    server.end()


def test_a_reload_while_the_model_is_loaded(doomed: Doomed) -> None:
    """One server is left, and it completes what was typed before it was there."""
    window, server = doomed.window, doomed.server
    window.wait_for_status(r"^\$\(loading\) Midfill \d+%$")
    since = window.events.mark()
    window.page.reload()
    window.focus()
    window.type("x = ")
    window.attach(since)
    window.wait_until_ready(since=since)
    window.wait_for_ghost(ANSWER)
    assert 2 == len(server.pids)
    assert [server.pids[-1]] == [process.pid for process in server.running]


def test_the_browser_dies(doomed: Doomed) -> None:
    """The extension host is ended after the grace time, and the server with it."""
    host = psutil.Process(doomed.window.events.pid)
    (top,) = [
        process
        for process in psutil.process_iter()
        if f"--user-data-dir={doomed.profile}" in _command(process)
        and "--type=" not in " ".join(_command(process))
    ]
    below = top.children(recursive=True)
    os.kill(top.pid, signal.SIGKILL)
    for process in below:
        if process.is_running():
            process.kill()
    host.wait(30)
    doomed.server.assert_gone()


def test_an_untrusted_workspace(
    editors: Path, extensions: Path, browser: BrowserContext, tmp_path: Path
) -> None:
    """It chooses neither server nor environment; trusted, it does."""
    mine = write_server(tmp_path / "mine", {"SCRIPTED_TEXT": ANSWER})
    theirs = write_server(tmp_path / "theirs", {"SCRIPTED_TEXT": "theirs()"})
    user = {
        "midfill.server.path": str(mine.program),
        "security.workspace.trust.startupPrompt": "never",
    }
    workspace = make_workspace(
        tmp_path / "workspace", FILES, {"midfill.server.path": str(theirs.program)}
    )
    with CodeServer(
        editors, tmp_path / "cs", extensions, trusts=False, settings=user
    ) as code_server:
        window = Window(browser, code_server, workspace, SHOTS)
        window.show("a.py")
        window.wait_until_ready()
        window.focus()
        window.type("x = ")
        window.wait_for_ghost(ANSWER)
        window.shot("untrusted")
        assert [] == theirs.pids
        window.close()
    mine.assert_gone()


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
