"""A server may have as many connections open as it has places."""

import contextlib
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import DaemonHome
from team_server import SETTINGS, team_server

RAISE = """
import logging, resource
logging.basicConfig(format="%(message)s")
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from lsp_server.daemon.open_files import raise_open_files
raise_open_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "then", "warning"),
    [
        (256, 4096, 4096, ""),
        (1024, 1024, 1024, "open_files.few\n"),
        (256, 1024, 1024, "open_files.few\n"),
        (4096, 4096, 4096, ""),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_needed(
    soft: int, hard: int, then: int, warning: str
) -> None:
    """Never lowered, and where the system forbids it, the log says so."""
    program = RAISE.format(soft=soft, hard=hard)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert f"{then}\n" == done.stdout
    assert warning == done.stderr


@contextlib.contextmanager
def few_open_files() -> Iterator[int]:
    """Have processes begin with few; yields how many a server raises it to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        yield 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_daemon_and_the_team_server_raise_it(
    home: DaemonHome, tmp_path: Path
) -> None:
    """As the system's own table says."""
    with few_open_files() as enough:
        home.midfill("daemon", "start")
        with team_server(tmp_path, SETTINGS) as team:
            pids = [home.processes()[0].pid, team.process.pid]
            limits = [resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids]
    assert [enough, enough] == [soft for soft, _ in limits]
