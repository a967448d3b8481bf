"""``midfill daemon`` from a shell."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from daemons import MIDFILL, DaemonHome, daemon_home

from lsp_server.daemon.lock import DaemonLock, holder


@pytest.fixture
def home() -> Iterator[DaemonHome]:
    """A user without a daemon."""
    with daemon_home() as made:
        yield made


def test_a_day_with_the_daemon(home: DaemonHome) -> None:
    """Start, start again, look, read the log, stop, stop again."""
    assert 1 == home.midfill("daemon", "status").returncode
    assert "no such file" in home.midfill("daemon", "start", "--config", "x").stderr
    assert {"running": False} == home.status()
    assert "is started" in home.midfill("daemon", "start").stdout
    assert "running already" in home.midfill("daemon", "start").stdout
    status = home.status()
    [process] = home.processes()
    assert process.pid == status["process_id"]
    assert "daemon.ready" in home.midfill("daemon", "logs").stdout
    assert "listens on" in home.midfill("daemon", "status").stdout
    source = home.folder / "a.py"
    source.write_text("x = \n")
    # From the first time on, the daemon's engine is ready for certain.
    assert 0 == home.midfill("complete", f"{source}:1:5").returncode
    completed = home.midfill("complete", f"{source}:1:5")
    assert 0 == completed.returncode, completed.stderr
    assert "Loading the model" not in completed.stderr
    assert "is stopped" in home.midfill("daemon", "stop").stdout
    assert [] == home.processes()
    again = home.midfill("daemon", "stop")
    assert (0, "No daemon is running.\n") == (again.returncode, again.stdout)
    assert "Traceback" not in home.log


def test_what_of_the_settings_is_not_done_is_said_at_the_start() -> None:
    """Editors are served; stderr has why there is no API, and what to do."""
    with daemon_home(REST_LISTEN="0.0.0.0:0", ENGINE_SEED="x") as home:
        started = home.midfill("daemon", "start")
        assert (0, True) == (started.returncode, "is started" in started.stdout)
        for part in ("'0.0.0.0:0'", "no TLS", "127.0.0.1:8012", "serve --listen"):
            assert part in started.stderr
        assert "Give a certificate" not in started.stderr
        assert "MIDFILL_ENGINE_SEED" in started.stderr
        assert 1 == started.stderr.count("Editors are served")
        path = home.folder / "midfill.toml"
        path.write_text("")
        again = home.midfill("daemon", "start", "--config", str(path))
        assert (0, True) == (again.returncode, "running already" in again.stdout)
        assert f"`midfill daemon restart --config {path}`" in again.stderr
        assert "REST API is not served" in home.midfill("daemon", "status").stdout
        home.environment |= {"MIDFILL_REST_LISTEN": "", "MIDFILL_ENGINE_SEED": "0"}
        restarted = home.midfill("daemon", "restart", "--config", str(path))
        assert (0, "") == (restarted.returncode, restarted.stderr)


def test_the_api_is_no_editor() -> None:
    """It holds an engine, which is shown with the editors that use it: none."""
    with daemon_home(REST_LISTEN="127.0.0.1:0") as home:
        home.midfill("daemon", "start")
        shown = home.midfill("daemon", "status").stdout
        assert "0 restarts, 0 editors" in shown
        assert "memory of daemon" in shown


@pytest.mark.slow
def test_one_that_hangs_is_ended(home: DaemonHome) -> None:
    """A daemon that is stopped by a signal does not answer; the lock names it."""
    home.midfill("daemon", "start")
    [process] = home.processes()
    process.send_signal(signal.SIGSTOP)
    assert "is stopped" in home.midfill("daemon", "stop").stdout
    assert [] == home.processes()


def test_whom_a_daemon_is_not_for_is_said_at_its_start() -> None:
    """Where editors use a team server; the status shows both."""
    with daemon_home(DAEMON_URL="wss://127.0.0.1:9/lsp", DAEMON_MODE="auto") as home:
        started = home.midfill("daemon", "start")
        assert (0, True) == (started.returncode, "is started" in started.stdout)
        assert "Editors use the team server wss://127.0.0.1:9/lsp" in started.stderr
        shown = home.midfill("daemon", "status")
        assert 1 == shown.returncode
        for part in ("it cannot be reached", "listens on", "engine midfill-starter"):
            assert part in shown.stdout


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_a_daemon_whose_socket_is_removed_is_found_again(transport: str) -> None:
    """The one that runs serves on, engine and all; whoever comes waits for a moment."""
    with daemon_home(DAEMON_TRANSPORT=transport) as home:
        source = home.folder / "a.py"
        source.write_text("x = \n")
        home.midfill("daemon", "start")
        [process] = home.processes()
        [path] = (home.folder / "r" / "midfill").glob("*.[st]*")
        path.unlink()
        completed = home.midfill("complete", f"{source}:1:5")
        assert (0, True) == (completed.returncode, "21 + 21" in completed.stdout)
        assert process.pid == home.status()["process_id"]


def test_in_the_foreground_it_logs_to_stderr(home: DaemonHome) -> None:
    """A second one refuses and names the first; SIGTERM ends it in order."""
    with subprocess.Popen(
        [*MIDFILL, "daemon", "start", "--foreground"],
        env=os.environ | home.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        first = next(line for line in process.stderr if "daemon.ready" in line)
        assert "address=" in first
        second = home.midfill("daemon", "start", "--foreground")
        assert 1 == second.returncode
        assert f"process {process.pid} is the daemon already" in second.stderr
        process.terminate()
        assert "reason='SIGTERM'" in process.stderr.read()
    assert 0 == process.returncode


def test_a_long_log_is_rotated(tmp_path: Path) -> None:
    """Two older files are kept, and stderr goes to the new one."""
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from lsp_server.daemon.process import LogFile\n"
        "log = LogFile(Path(sys.argv[1]), max_bytes=10)\n"
        "log.open()\n"
        "for number in range(5):\n"
        "    os.write(2, b'%d' % number * 12)\n"
        "    log.rotate()\n"
    )
    path = tmp_path / "state" / "log"
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    older = [path.with_name(f"log.{number}").read_text() for number in (1, 2)]
    assert ["4" * 12, "3" * 12] == older
    assert "" == path.read_text()
    assert 0o600 == path.stat().st_mode & 0o777
    assert 3 == len(list(path.parent.iterdir()))


def test_while_it_starts_it_is_neither_there_nor_absent(home: DaemonHome) -> None:
    """A lock whose holder does not listen yet is a daemon that starts."""
    home.midfill("daemon", "start")
    home.midfill("daemon", "stop")
    [path] = home.folder.rglob("*.lock")
    path.write_text("1\n")
    lock = DaemonLock.take(path)
    assert lock is not None
    # What an earlier daemon wrote must not be signalled.
    assert None is holder(path)
    assert "is starting" in home.midfill("daemon", "status").stdout
    lock.release()
    assert "No daemon" in home.midfill("daemon", "status").stdout
