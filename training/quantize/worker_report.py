"""Reports from a worker to the process that started it. Needs the standard library.

Reports go through a pipe of their own, apart from what the quantiser prints. Each is a
line of JSON:

- ``{"say": TEXT}``: a line for people
- ``{"work": NAME, "done": N, "total": M}``: progress
- ``{"fault": KIND, "text": TEXT}``: why the worker fails; the last report
"""

import errno
import json
import os
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = [
    "DEVICE",
    "DISK",
    "MEMORY",
    "OTHER",
    "MissingDeviceError",
    "Reporter",
    "fault_kind",
    "run_job",
]

DEVICE, DISK, MEMORY, OTHER = "device", "disk", "memory", "other"

Job = Mapping[str, Any]


class MissingDeviceError(Exception):
    """PyTorch does not see the requested device."""


class Reporter:
    """Writes reports.

    Args:
        descriptor: The writing end of the pipe.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def say(self, text: str) -> None:
        """Report a line for people."""
        self._write({"say": text})

    def step(self, work: str, done: int, total: int) -> None:
        """Report how much of ``work`` is done, counted in parts up to ``total``."""
        self._write({"work": work, "done": done, "total": total})

    def fault(self, kind: str, text: str) -> None:
        """Report why the worker fails."""
        self._write({"fault": kind, "text": text})

    def _write(self, report: Mapping[str, object]) -> None:
        os.write(self._descriptor, f"{json.dumps(report)}\n".encode())


def run_job(main: Callable[[Job, Reporter], None], arguments: list[str]) -> int:
    """Run a worker's ``main``, report its failure if any, and return the exit status.

    Args:
        main: The worker.
        arguments: The path of the job's JSON file, and the pipe's descriptor.
    """
    path, descriptor = arguments
    os.set_inheritable(int(descriptor), False)  # noqa: FBT003  # the library's own order
    reporter = Reporter(int(descriptor))
    try:
        main(json.loads(Path(path).read_text(encoding="utf-8")), reporter)
    except Exception as exc:  # noqa: BLE001  # the parent gets every failure
        traceback.print_exc()
        reporter.fault(fault_kind(exc), str(exc))
        return 1
    return 0


def fault_kind(exc: BaseException) -> str:
    """Return whether a failure is about the device, the disk, memory, or other things.

    safetensors and PyTorch mark disk and memory only in the error's text.
    """
    text = str(exc)
    if isinstance(exc, MissingDeviceError):
        return DEVICE
    full = isinstance(exc, OSError) and exc.errno in {errno.ENOSPC, errno.EDQUOT}
    if full or f"(os error {errno.ENOSPC})" in text:
        return DISK
    if (
        isinstance(exc, MemoryError)
        or type(exc).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in text
    ):
        return MEMORY
    return OTHER
