"""An engine process is killed when the process that started it is gone."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from lsp_server.engine import orphan

#: Starts a child in a thread that ends at once, as an engine's launch does: a signal
#: tied to the thread would kill the child here.
PARENT = """
import multiprocessing, os, sys, threading, time
from lsp_server.engine import orphan

def child(pipe):
    orphan.end_with_parent()
    orphan.end_with_parent()
    pipe.send((os.getpid(), threading.active_count()))
    time.sleep(3600)

if __name__ == "__main__":
    os.environ[orphan.OWNER_VARIABLE] = str(os.getpid())
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=child, args=(theirs,))
    thread = threading.Thread(target=process.start)
    thread.start()
    thread.join()
    print(*ours.recv(), flush=True)
    time.sleep(3600)
"""


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    """SIGKILL of the parent ends the child within seconds, and not before."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, threads = map(int, parent.stdout.readline().split())
        child = psutil.Process(pid)
        assert child.is_running()
        parent.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs([child], timeout=10)
    assert [] == alive
    assert 2 == threads  # a second call started no second watch


@pytest.mark.parametrize("owner", [None, str(os.getpid())], ids=["none", "itself"])
def test_the_server_itself_is_not_watched(
    monkeypatch: pytest.MonkeyPatch, owner: str | None
) -> None:
    """A process that is not an engine's child keeps its own life."""
    if owner is None:
        monkeypatch.delenv(orphan.OWNER_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(orphan.OWNER_VARIABLE, owner)
    before = threading.active_count()
    assert not orphan.is_engine_process()
    orphan.end_with_parent()
    assert before == threading.active_count()


def test_a_process_that_nobody_started_is_not_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An inherited variable alone does not tie a process to a parent."""
    monkeypatch.setenv(orphan.OWNER_VARIABLE, "1")
    assert multiprocessing.parent_process() is None
    before = threading.active_count()
    orphan.end_with_parent()
    assert before == threading.active_count()
