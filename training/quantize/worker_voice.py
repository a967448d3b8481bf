"""How a worker speaks to the process that started it. Needs Python alone.

What quantisers print is for nobody, so a worker's reports go through a pipe of their
own: one JSON object a line, ``{"say": TEXT}``, ``{"work": W, "done": N, "total": M}``
or, last of all, ``{"fault": KIND, "text": TEXT}``.
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
    "Voice",
    "run_job",
]

DEVICE, DISK, MEMORY, OTHER = "device", "disk", "memory", "other"

Job = Mapping[str, Any]


class MissingDeviceError(Exception):
    """The device that was asked for is not there."""


class Voice:
    """Writes reports.

    Args:
        descriptor: The pipe's writing end.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def say(self, text: str) -> None:
        """Report a line for people."""
        self._tell({"say": text})

    def step(self, work: str, done: int, total: int) -> None:
        """Report how much of a work is done."""
        self._tell({"work": work, "done": done, "total": total})

    def fault(self, kind: str, text: str) -> None:
        """Report why the worker ends."""
        self._tell({"fault": kind, "text": text})

    def _tell(self, report: Mapping[str, object]) -> None:
        os.write(self._descriptor, f"{json.dumps(report)}\n".encode())


def run_job(main: Callable[[Job, Voice], None], arguments: list[str]) -> int:
    """Do a job, report what goes wrong, and give the exit status.

    Args:
        main: Does it.
        arguments: The path of the job's JSON file, and the number of the pipe.
    """
    path, descriptor = arguments
    os.set_inheritable(int(descriptor), False)  # noqa: FBT003  # the library's own order
    voice = Voice(int(descriptor))
    try:
        main(json.loads(Path(path).read_text(encoding="utf-8")), voice)
    except Exception as exc:  # noqa: BLE001  # whatever it is, the parent must hear it
        traceback.print_exc()
        voice.fault(kind_of(exc), str(exc))
        return 1
    return 0


def kind_of(exc: BaseException) -> str:
    """Tell what a failure is about.

    safetensors and torch tell disk and memory by their text alone.
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
