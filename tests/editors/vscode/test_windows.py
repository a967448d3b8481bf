"""What happens to windows: trust, reloads, two at once, and a browser that dies."""

import os
import signal
from pathlib import Path

import psutil
import pytest
from editor_server import write_server
from playwright.sync_api import BrowserContext, Playwright
from vscode.browser import open_browser
from vscode.code_server import CodeServer
from vscode.window import Window
from vscode.windows import Windows
from vscode.workspace import make_workspace

pytestmark = pytest.mark.editor

ANSWER = "sum(items)"
FILES = {"a.py": "def total(items):\n    "}


def test_a_reload_while_the_model_is_loaded(windows: Windows, tmp_path: Path) -> None:
    """One server is left, and it completes."""
    slow = {"SCRIPTED_TEXT": ANSWER, "SCRIPTED_START_DELAY_MS": "3000"}
    server = write_server(tmp_path / "server", slow)
    window = windows.open({"midfill.server.path": str(server.program)}, FILES)
    window.wait_for_status(r"^\$\(loading\) Midfill \d+%$")
    since = window.events.mark()
    window.page.reload()
    window.attach(since)
    window.wait_until_ready(since=since)
    window.focus()
    window.type("x = ")
    window.wait_for_ghost(ANSWER)
    assert 2 == len(server.pids)
    assert [server.pids[-1]] == [process.pid for process in server.running]
    window.close()
    server.assert_gone(within_s=5)


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
    shots = Path(__file__).parents[3] / "build" / "editors" / "vscode"
    with CodeServer(
        editors, tmp_path / "cs", extensions, trusts=False, settings=user
    ) as code_server:
        window = Window(browser, code_server, workspace, shots)
        window.show("a.py")
        window.wait_until_ready()
        window.focus()
        window.type("x = ")
        window.wait_for_ghost(ANSWER)
        window.shot("untrusted")
        assert [] == theirs.pids
        window.close()
    mine.assert_gone(within_s=5)


def test_the_browser_dies(
    code_server: CodeServer, playwright: Playwright, editors: Path, tmp_path: Path
) -> None:
    """The extension host is ended after the grace time, and the server with it."""
    server = write_server(tmp_path / "server", {"SCRIPTED_TEXT": ANSWER})
    workspace = make_workspace(
        tmp_path / "workspace", FILES, {"midfill.server.path": str(server.program)}
    )
    profile = tmp_path / "profile"
    with open_browser(playwright, editors, profile) as context:
        window = Window(context, code_server, workspace, tmp_path)
        window.show("a.py")
        window.wait_until_ready()
        host = psutil.Process(window.events.pid)
        (top,) = [
            process
            for process in psutil.process_iter()
            if f"--user-data-dir={profile}" in _command(process)
            and "--type=" not in " ".join(_command(process))
        ]
        below = top.children(recursive=True)
        os.kill(top.pid, signal.SIGKILL)
        for process in below:
            if process.is_running():
                process.kill()
        host.wait(30)
        server.assert_gone(within_s=5)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
