"""Runs programs that models wrote in a sandbox.

Each program gets a process, a process group and an empty folder of its own. What holds
against accidents, of which small models have many:

- resource limits on time, memory, file size and open files
- a system call filter by libseccomp: no new process or thread, no socket, no signal,
  no removing, renaming or changing of rights
- root becomes nobody, if nobody may read Python's library

What is not covered: malice. The program can read what its user may read, and
overwrite what its user may write.

Where the filter cannot be loaded, no program is run.
"""

import contextlib
import json
import os
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
_CANNOT_PROTECT = 3
_NOBODY = 65534
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Resource limits of one program.

    Attributes:
        wall_s: Seconds until it is killed.
        cpu_s: Seconds of CPU time.
        memory_bytes: Size of its address space.
        file_bytes: Size of each file that it writes.
        open_files: Number of files that it may have open.
    """

    wall_s: float = 15.0
    cpu_s: int = 5
    memory_bytes: int = 1024 * _MIB
    file_bytes: int = _MIB
    open_files: int = 64


def runs_to_end(program: str, limits: Limits) -> bool:
    """Run Python code, and return whether it ran to its end without an error.

    The code has only the standard library. An exception, a crash, an exit or a limit
    gives False. When this returns, its process and files are gone.

    Raises:
        EvaluationError: The sandbox cannot protect this machine.
    """
    token = secrets.token_hex()
    job = {
        "program": program,
        "token": token,
        "limits": {
            "RLIMIT_AS": limits.memory_bytes,
            "RLIMIT_CPU": limits.cpu_s,
            "RLIMIT_FSIZE": limits.file_bytes,
            "RLIMIT_NOFILE": limits.open_files,
            "RLIMIT_CORE": 0,
            "RLIMIT_NPROC": 0,
        },
    }
    with (
        tempfile.TemporaryDirectory(
            prefix="midfill-eval-", ignore_cleanup_errors=True
        ) as folder,
        tempfile.TemporaryFile() as job_file,
        tempfile.TemporaryFile() as report,
    ):
        if os.geteuid() == 0:
            os.chown(folder, _NOBODY, _NOBODY)
        # Lone surrogates, which a model can write, survive as escapes.
        job_file.write(json.dumps(job).encode("ascii"))
        job_file.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(_CHILD)],
            stdin=job_file,
            stdout=report,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={},
            start_new_session=True,
        )
        try:
            _wait(process.pid, limits.wall_s)
        finally:
            # Not reaped yet, so the number still belongs to its group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        if status == _CANNOT_PROTECT:
            raise EvaluationError(
                "no program is run: libseccomp 2.5 or newer is missing, or the kernel "
                "refuses its filter",
                subject="sandbox",
                remedy="install libseccomp2 (libseccomp on Fedora and Arch), or "
                "choose --suite replay, which runs no programs",
            )
        report.seek(0)
        return report.read() == token.encode()


def _wait(pid: int, seconds: float) -> None:
    """Wait for a child to end, without reaping it."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(seconds * 1000)
    finally:
        os.close(descriptor)
