"""Nothing of an engine outlives the server that started it, whatever became of it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lsp_server.engine import guard
from lsp_server.engine.engine_folder import (
    OWNER_VARIABLE,
    EngineFolder,
    is_engine_process,
)
from lsp_server.errors import EngineStartError

GuardsOf = Callable[[Path], list[psutil.Process]]

#: Makes a folder, starts a child as an engine's launch does, and waits.
SERVER = """
import subprocess, sys, time
from pathlib import Path
from lsp_server.engine.engine_folder import EngineFolder
folder = EngineFolder.create()
(folder.path / "socket").touch()
(folder.path / "inside").mkdir()
(folder.path / "inside" / "file").touch()
child = subprocess.Popen(["sleep", "3600"], start_new_session=True)
print(child.pid, folder.path, flush=True)
if sys.argv[1] == "in order":
    child.kill()
    child.wait()
    folder.remove()
    folder.remove()
elif sys.argv[1] == "lingers":
    time.sleep(3600)
"""


@pytest.mark.parametrize("end", ["killed with all below it", "by itself", "in order"])
def test_it_ends_what_the_server_left(end: str, guards_of: GuardsOf) -> None:
    """A process in a session of its own and a folder with a socket; then itself."""
    how = "lingers" if end == "killed with all below it" else end
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, how],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        pid, path = server.stdout.readline().split()
        folder = Path(path)
        child = psutil.Process(int(pid)) if psutil.pid_exists(int(pid)) else None
        watching = guards_of(folder)
        if how == "lingers":
            assert folder.exists()
            assert child is not None
            assert 1 == len(watching)
            # An editor kills what it finds below the server; the guard is not there.
            tree = psutil.Process(server.pid).children(recursive=True)
            assert watching[0] not in tree
            server.send_signal(signal.SIGKILL)
    left = [*watching, *([child] if child else [])]
    _, alive = psutil.wait_procs(left, timeout=60)
    assert [] == alive
    assert not folder.exists()


def test_what_belongs_to_others_is_left_alone(guards_of: GuardsOf) -> None:
    """Another engine's processes, and its folder, stay when a server ends."""
    other = subprocess.Popen(
        ["sleep", "3600"],
        env={OWNER_VARIABLE: "1-other"},
    )
    try:
        with subprocess.Popen(
            [sys.executable, "-c", SERVER, "by itself"],
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            assert server.stdout is not None
            _, path = server.stdout.readline().split()
        psutil.wait_procs(guards_of(Path(path)), timeout=60)
        assert not Path(path).exists()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a guard no engine is started, and no folder stays."""
    runtime = tempfile.TemporaryDirectory()
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime.name)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EngineStartError, match="folder cannot be made"):
        EngineFolder.create()
    assert [] == list(Path(runtime.name).iterdir())
    runtime.cleanup()


def test_a_server_that_ends_as_the_guard_starts(
    tmp_path: Path, guards_of: GuardsOf
) -> None:
    """The guard makes the folder, and removes it at once."""
    folder = tmp_path / "engine"
    command = [sys.executable, "-I", "-S", guard.__file__, "NAME=mark", str(folder)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    assert 0 == done.returncode
    psutil.wait_procs(guards_of(folder), timeout=60)
    assert not folder.exists()


def test_a_folder_that_the_guard_cannot_make(tmp_path: Path) -> None:
    """The reason for which there is no folder is in the guard's words."""
    command = [sys.executable, "-I", "-S", guard.__file__, "NAME=mark"]
    done = subprocess.run(
        [*command, str(tmp_path / "missing" / "engine")],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (1, "No such file or directory") == (done.returncode, done.stderr)


def test_a_socket_fits_into_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long path is passed over: a socket's has 108 bytes at most."""
    deep = tmp_path / ("d" * 80)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    monkeypatch.setenv(OWNER_VARIABLE, "")
    folder = EngineFolder.create()
    try:
        assert deep != folder.path.parent
        assert len(os.fsencode(folder.path)) + 38 <= 108
        assert 0o700 == folder.path.stat().st_mode & 0o777
        assert OWNER_VARIABLE in os.environ
        assert not is_engine_process()
    finally:
        folder.remove()


@pytest.mark.parametrize(
    ("owner", "belongs"),
    [(None, False), (str(os.getpid()), False), ("1-a", True)],
    ids=["nobody", "itself", "another"],
)
def test_whose_process_it_is(
    monkeypatch: pytest.MonkeyPatch,
    owner: str | None,
    belongs: bool,  # noqa: FBT001 - a case of the table
) -> None:
    """The server itself, and whoever has no mark, is no engine's process."""
    if owner is None:
        monkeypatch.delenv(OWNER_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(OWNER_VARIABLE, owner)
    assert belongs is is_engine_process()
