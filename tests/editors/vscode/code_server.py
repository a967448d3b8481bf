"""Starts code-server, which is the real VS Code for a browser, with a fresh profile."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psutil
from free_ports import free_port
from vscode.followed_log import FollowedLog

__all__ = ["CodeServer", "install_extensions"]

# What is no part of a test and would stand in its way: tours, sign-in, auto save.
USER_SETTINGS: Mapping[str, object] = {
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
    "workbench.reduceMotion": "on",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.welcomePage.walkthroughs.openOnInstall": False,
    "chat.disableAIFeatures": True,
    "chat.commandCenter.enabled": False,
    "extensions.ignoreRecommendations": True,
    "files.autoSave": "off",
    "files.hotExit": "off",
    "editor.minimap.enabled": False,
    "editor.cursorBlinking": "solid",
    "git.enabled": False,
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
}

# What people bind keys to who accept by lines and ask by hand.
KEYS = (
    {"key": "ctrl+alt+l", "command": "editor.action.inlineSuggest.acceptNextLine"},
    {"key": "ctrl+alt+i", "command": "editor.action.inlineSuggest.trigger"},
)


def install_extensions(editors: Path, into: Path, *packages: Path) -> None:
    """Install packaged extensions, as a user does from a file."""
    config = _write_config(into.parent)
    done = subprocess.run(
        [
            *(editors / "bin" / "code-server", "--config", config),
            *("--user-data-dir", into.parent / "installing"),
            *("--extensions-dir", into),
            *(
                each
                for package in packages
                for each in ("--install-extension", package)
            ),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr


class CodeServer:
    """One code-server: its profile, its processes and its address."""

    def __init__(
        self,
        editors: Path,
        folder: Path,
        extensions: Path,
        *,
        trusts: bool = True,
        environment: Mapping[str, str] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """Start it and wait until it listens.

        Args:
            editors: Where the editors lie.
            folder: An empty folder for its profile and its logs.
            extensions: The folder of installed extensions.
            trusts: Whether it trusts every workspace.
            environment: Further variables.
            settings: Further settings of the user.
        """
        folder.mkdir(parents=True)
        self.data = folder / "data"
        self.events = FollowedLog(folder / "events.jsonl")
        user = self.data / "User"
        user.mkdir(parents=True)
        merged = {**USER_SETTINGS, **(settings or {})}
        # Midfill's belong to the machine. In a remote window that is another file, and
        # VS Code does not always take them from the user's.
        machine = {k: v for k, v in merged.items() if k.startswith("midfill.")}
        (self.data / "Machine").mkdir()
        (self.data / "Machine" / "settings.json").write_text(json.dumps(machine))
        own = {k: v for k, v in merged.items() if k not in machine}
        (user / "settings.json").write_text(json.dumps(own, indent=1))
        (user / "keybindings.json").write_text(json.dumps(KEYS))
        self.port = free_port()
        command = [
            str(editors / "bin" / "code-server"),
            *("--bind-addr", f"127.0.0.1:{self.port}", "--auth", "none"),
            *("--config", str(_write_config(folder))),
            *("--user-data-dir", str(self.data)),
            *("--extensions-dir", str(extensions)),
            *("--reconnection-grace-time", "1"),
            *("--disable-telemetry", "--disable-update-check"),
            "--disable-getting-started-override",
            *(["--disable-workspace-trust"] if trusts else []),
        ]
        # VS Code leaves sockets there, whose paths have to be short.
        self._temporary = tempfile.mkdtemp(prefix="mfv-")
        log = folder / "code-server.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=_environment()
                | {"MIDFILL_VSCODE_LOG": str(self.events.path)}
                | {"TMPDIR": self._temporary}
                | dict(environment or {}),
            )
        self.output = FollowedLog(log)
        try:
            self.output.wait_for_line(lambda line: "HTTP server listening" in line)
        except AssertionError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def address(self, workspace: Path, file: Path | None = None) -> str:
        """Return the address of a window that shows a workspace, and a file of it."""
        address = f"http://127.0.0.1:{self.port}/?folder={quote(str(workspace))}"
        if file is None:
            return address
        uri = f"vscode-remote://127.0.0.1:{self.port}{quote(str(file))}"
        return f"{address}&payload={quote(json.dumps([['openFile', uri]]))}"

    def processes(self) -> list[psutil.Process]:
        """Return code-server and everything that it has started."""
        try:
            top = psutil.Process(self._process.pid)
            return [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def close(self) -> None:
        """End it, and whatever is left of it."""
        left = self.processes()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for process in psutil.wait_procs(left, timeout=5)[1]:
            process.kill()
        shutil.rmtree(self._temporary, ignore_errors=True)
        self.output.close()
        self.events.close()


def _environment() -> dict[str, str]:
    """Return the environment without what would reach the server, or lead to one."""
    folders = os.environ["PATH"].split(os.pathsep)
    without = [each for each in folders if not (Path(each) / "midfill").exists()]
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MIDFILL_", "VSCODE_"))
    }
    # As if started from a terminal: else VS Code runs the user's shell for each window,
    # and takes the PATH that it sets.
    from_terminal = {"VSCODE_CLI": "1"}
    path = {"PATH": os.pathsep.join(without)}
    return kept | path | from_terminal | {"EXTENSIONS_GALLERY": "{}"}


def _write_config(folder: Path) -> Path:
    """Write the configuration file, which must be there and not empty."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "code-server.yaml"
    config.write_text("auth: none\n")
    return config
