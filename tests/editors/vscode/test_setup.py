"""One-click set-up of the server, in a VS Code on a machine that has none yet.

Those that install the whole server take minutes and gigabytes: ``make test-setup``.
"""

import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from editor_server import wait_for
from obtain.record import ROOT
from playwright.sync_api import BrowserContext
from vscode.code_server import CodeServer
from vscode.fault_servers import ANSWER, HEAD, complete
from vscode.window import Window
from vscode.workspace import make_workspace

pytestmark = pytest.mark.editor

SHOTS = ROOT / "build" / "editors" / "vscode"
INSTALLERS = ("python", "pip", "uv", "midfill")
SETTINGS = {"midfill.engine.kind": "scripted", "midfill.scripted.text": ANSWER}
PROGRESS = "Setting up Midfill's server"
COMMAND = "Midfill: Set Up the Server"
INSTALL_S = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine, as VS Code sees it.

    Attributes:
        window: VS Code's window.
        programs: The one folder of its PATH.
        servers: Where the extension sets servers up.
    """

    window: Window
    programs: Path
    servers: Path

    def have(self, **programs: Path) -> None:
        """Put programs on PATH by their names, in place of those before."""
        for old in self.programs.iterdir():
            if old.name.startswith(INSTALLERS):
                old.unlink()
        for name, program in programs.items():
            (self.programs / name).symlink_to(program)

    @property
    def installing(self) -> list[psutil.Process]:
        """The processes that work on a set-up."""
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(str(self.servers) in part for part in process.info["cmdline"] or ())
        ]

    def set_up(self) -> None:
        """Set the server up by its command, and see it complete."""
        events = self.window.events
        mark = events.mark()
        again = any(self.servers.iterdir())
        self.window.command(COMMAND)
        if again:
            dialog = self.window.page.locator(".monaco-dialog-box .monaco-button")
            dialog.get_by_text("Set up again").click()
        mark = events.wait_until_after(
            "setup", since=mark, timeout_s=INSTALL_S, kind="done"
        )
        events.wait("server.found", since=mark, origin="set up")
        self.window.wait_for_new_server(since=mark)
        complete(self.window)


@pytest.fixture(scope="module")
def machine(
    editors: Path,
    extensions: Path,
    browser: BrowserContext,
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Machine]:
    """A machine with neither a server, Python nor uv."""
    folder = tmp_path_factory.mktemp("setup")
    programs = folder / "bin"
    programs.mkdir()
    for each in Path("/usr/bin").iterdir():
        if not each.name.startswith(INSTALLERS):
            (programs / each.name).symlink_to(each)
    workspace = make_workspace(folder / "workspace", {"a.py": HEAD}, SETTINGS)
    environment = {"PATH": str(programs), "UV_PYTHON_DOWNLOADS": "never"}
    with CodeServer(
        editors, folder / "code-server", extensions, environment=environment
    ) as code_server:
        window = Window(browser, code_server, workspace, SHOTS)
        window.show("a.py")
        storage = code_server.data / "User" / "globalStorage"
        yield Machine(
            window=window,
            programs=programs,
            servers=storage / "midfill.midfill" / "server",
        )
        window.close()


def test_there_is_nothing_to_install_with(machine: Machine) -> None:
    """The user learns what is missing, in one message that lets try again."""
    window = machine.window
    window.events.wait("message", key="missing")
    window.press_button("not installed", "Set up server")
    window.events.wait("setup", kind="failed")
    window.message("neither Python").first.wait_for()
    window.message(PROGRESS).wait_for(state="detached")
    window.shot("setup-failed")
    assert 1 == len(window.messages)


def test_a_set_up_is_tried_again_and_cancelled(machine: Machine) -> None:
    """With Python there it begins; cancelled, nothing of it is left."""
    window = machine.window
    machine.have(python3=Path(sys.executable).resolve())
    window.press_button("neither Python", "Try again")
    window.message(PROGRESS).first.wait_for()
    wait_for(lambda: machine.installing, what="the installer")
    window.shot("setup-progress")
    window.press_button(PROGRESS, "Cancel")
    window.events.wait("setup", kind="cancelled")
    assert [] == machine.installing
    assert [] == list(machine.servers.iterdir())
    window.wait_for_status(r"^\$\(error\) Midfill$")


@pytest.mark.slow
@pytest.mark.installs
def test_set_up_with_pythons_own_venv(machine: Machine) -> None:
    """After the command the server runs from the extension's storage, and completes."""
    machine.have(python3=Path(sys.executable).resolve())
    machine.set_up()


@pytest.mark.slow
@pytest.mark.installs
def test_set_up_with_uv(machine: Machine) -> None:
    """Where no Python can make an environment, uv makes it."""
    python = Path(sys.executable).resolve()
    # Only uv looks for this name.
    machine.have(uv=Path(sys.executable).with_name("uv"), python=python)
    machine.set_up()
