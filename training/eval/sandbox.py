"""Runs a program that a model wrote, so that it can harm nothing but itself.

Each program gets a process, a process group and an empty folder of its own, and limits
on time, memory, file size and the number of processes. That holds against accidents,
which small models have many of. It is no wall against malice: the program can read
what everybody may read, and it can reach the network.
"""

import contextlib
import json
import os
import platform
import secrets
import select
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import EvaluationError

__all__ = ["Limits", "runs_to_end"]

_CHILD = Path(__file__).with_name("sandbox_child.py")
_CANNOT_RUN = 3
_NOBODY = 65534
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may take.

    Attributes:
        wall_s: Seconds until it is killed.
        cpu_s: Seconds of computing.
        memory_bytes: Address space.
        file_bytes: Size of each file that it writes.
        open_files: Files that it may have open.
    """

    wall_s: float = 15.0
    cpu_s: int = 5
    memory_bytes: int = 1024 * _MIB
    file_bytes: int = _MIB
    open_files: int = 64


def runs_to_end(program: str, limits: Limits) -> bool:
    """Run Python code, and tell whether it came to its end without an error.

    The code is compiled and run in one go, with the standard library alone. Whatever
    else happens (an exception, a crash, an exit, a limit) is False. Nothing of it is
    left when this returns.

    Raises:
        EvaluationError: No program can be run here.
    """
    word = secrets.token_hex()
    order = {
        "program": program,
        "word": word,
        "limits": {
            "RLIMIT_AS": limits.memory_bytes,
            "RLIMIT_CPU": limits.cpu_s,
            "RLIMIT_FSIZE": limits.file_bytes,
            "RLIMIT_NOFILE": limits.open_files,
            "RLIMIT_CORE": 0,
            # No process may be added to those that run already.
            "RLIMIT_NPROC": 0,
        },
    }
    with (
        tempfile.TemporaryDirectory(
            prefix="midfill-eval-", ignore_cleanup_errors=True
        ) as folder,
        tempfile.TemporaryFile() as told,
        tempfile.TemporaryFile() as report,
    ):
        if os.geteuid() == 0:
            os.chown(folder, _NOBODY, _NOBODY)
        # Lone surrogates, which a model can write, survive as escapes.
        told.write(json.dumps(order).encode("ascii"))
        told.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(_CHILD)],
            stdin=told,
            stdout=report,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={},
            start_new_session=True,
        )
        try:
            _wait(process.pid, limits.wall_s)
        finally:
            # Not reaped yet, so its number is still that of its group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        if status == _CANNOT_RUN:
            raise EvaluationError(
                "the kernel has no way here to limit what root runs",
                subject=f"sandbox on {platform.machine()}",
                remedy="evaluate as a user other than root",
            )
        report.seek(0)
        return report.read() == word.encode()


def _wait(pid: int, seconds: float) -> None:
    """Wait for a child to end, without taking note of it."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(seconds * 1000)
    finally:
        os.close(descriptor)
