"""The daemon's processes go by what they are."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lsp_server.daemon.status import process_statuses
from lsp_server.engine import guard

FOREVER = "import sys; sys.stdin.read()"
"""A program that runs until its input ends."""


@pytest.fixture
def children() -> Iterator[dict[int, str]]:
    """Processes below this one, and what each of them is to be called."""
    cases = {
        "engine": [],
        "guard": [guard.__file__],
        "engine's resource tracker": ["from multiprocessing.resource_tracker import"],
    }
    running = {
        name: subprocess.Popen(
            [sys.executable, "-c", FOREVER, *words], stdin=subprocess.PIPE
        )
        for name, words in cases.items()
    }
    yield {process.pid: name for name, process in running.items()}
    for process in running.values():
        process.communicate()


def test_processes_go_by_what_they_are(children: dict[int, str]) -> None:
    """Not by the interpreter that runs them; the daemon is the first."""
    found = process_statuses()
    assert (os.getpid(), "daemon") == (found[0].process_id, found[0].name)
    names = {each.process_id: each.name for each in found}
    assert children == {pid: names[pid] for pid in children}
    assert all(each.memory_bytes > 0 for each in found)
