"""Processes that get the ids of others that have ended."""

import subprocess
import sys
from pathlib import Path

import pytest

_SLEEPER = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]

_LAST_ID = Path("/proc/sys/kernel/ns_last_pid")
_MOST_TRIES = 200


def begun() -> "subprocess.Popen[bytes]":
    """Return a process that has run for a while: start times are counted in ticks."""
    process = subprocess.Popen(_SLEEPER, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
    return process


def replaced(process: "subprocess.Popen[bytes]") -> "subprocess.Popen[bytes]":
    """End a process, and return another one that has its id."""
    process.kill()
    process.wait()
    for _ in range(_MOST_TRIES):
        try:
            _LAST_ID.write_text(str(process.pid - 1))
        except OSError:
            pytest.skip("this system does not let anybody choose the id of a process")
        other = subprocess.Popen(_SLEEPER, stdout=subprocess.DEVNULL)
        if other.pid == process.pid:
            return other
        # Somebody else's came first.
        other.kill()
        other.wait()
    pytest.skip("others begin processes all the time")
