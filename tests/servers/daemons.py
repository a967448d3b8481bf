"""Daemons of the tests' own, each with folders that no other one uses."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from lsp_server import __version__

PACKAGE = Path(__file__).resolve().parents[2] / "lsp_server"
MIDFILL = [sys.executable, "-m", "lsp_server"]


class DaemonHome:
    """The environment of a user whose editors share a daemon.

    Attributes:
        environment: What differs from the tests' own environment.
        folder: The folder that all of it lies in.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        places = {"XDG_RUNTIME_DIR": "r", "XDG_STATE_HOME": "s"}
        for place in places.values():
            (folder / place).mkdir(mode=0o700)
        self.environment = {
            "MIDFILL_DAEMON_MODE": "require",
            "MIDFILL_ENGINE_KIND": "scripted",
            "MIDFILL_SCRIPTED_TEXT": "'21 + 21'",
            **{name: str(folder / place) for name, place in places.items()},
            **{f"MIDFILL_{name}": value for name, value in settings.items()},
        }

    def spoil(self) -> None:
        """Have others enter the folder of the daemon's socket."""
        folder = Path(self.environment["XDG_RUNTIME_DIR"], "midfill")
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)

    def other_version(self) -> dict[str, str]:
        """Install another version beside ours; return what makes a process use it."""
        folder = self.folder / "other"
        shutil.copytree(
            PACKAGE,
            folder / "lsp_server",
            ignore=shutil.ignore_patterns("__pycache__", "models"),
        )
        (folder / "models").symlink_to(PACKAGE.with_name("models"))
        module = folder / "lsp_server" / "__init__.py"
        text = module.read_text(encoding="utf-8")
        module.write_text(text.replace(__version__, "99.0.0"), encoding="utf-8")
        return {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}

    def midfill(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Midfill's."""
        return subprocess.run(
            [*MIDFILL, *arguments],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def status(self) -> dict[str, object]:
        """Return what ``midfill daemon status --json`` prints."""
        found = json.loads(self.midfill("daemon", "status", "--json").stdout)
        assert isinstance(found, dict)
        return found

    def processes(self) -> list[psutil.Process]:
        """Return the daemons of this home that run, by their environment."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                runtime = process.environ().get("XDG_RUNTIME_DIR")
                is_ours = runtime == self.environment["XDG_RUNTIME_DIR"]
                if is_ours and "--foreground" in process.cmdline():
                    found.append(process)
        return found

    def wait_for_one(self) -> psutil.Process:
        """Wait until exactly one daemon runs and answers."""
        until_s = time.monotonic() + 60
        while time.monotonic() < until_s:
            if self.status().get("running") and len(found := self.processes()) == 1:
                return found[0]
        raise TimeoutError(str(self.processes()))

    @property
    def log(self) -> str:
        """What the daemon has logged."""
        logs = (self.folder / "s" / "midfill").glob("*.log")
        return "".join(path.read_text() for path in logs)

    def end(self) -> None:
        """Leave no daemon behind."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(self.processes(), timeout=60)
        for process in left:
            process.kill()


@contextlib.contextmanager
def daemon_home(**settings: str) -> Iterator[DaemonHome]:
    """Make a home for a daemon, in a folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="mfd-", dir="/tmp") as folder:
        home = DaemonHome(Path(folder), **settings)
        try:
            yield home
        finally:
            home.end()
