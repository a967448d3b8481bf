"""Runs a worker in a Python of its own, and hears what it reports.

A worker is a module of this package that needs none of its neighbours but those that
are laid out for it here: the environment that it runs in has neither Midfill nor what
Midfill needs. What it prints goes into a file and is shown only if it fails.
"""

import errno
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO

from lsp_server.errors import QuantizeError
from lsp_server.modelstore.progress import Progress
from training.quantize.process import worker_environment
from training.quantize.worker_voice import DEVICE, DISK, MEMORY

__all__ = ["Worker"]

_PACKAGE = "training.quantize"
_SHARED = ("tidy", "worker_job", "worker_voice")
_START = """\
import sys

from {package}.{name} import main
from {package}.worker_voice import run_job

sys.exit(run_job(main, sys.argv[1:]))
"""
_KEPT_BYTES = 3_000


class Worker:
    """Runs workers one after the other.

    Args:
        python: The Python to run them in.
        variables: Environment variables that they need.
        progress: Hears what they report.
    """

    def __init__(
        self, python: Path, *, variables: Mapping[str, str], progress: Progress
    ) -> None:
        # Absolute, since a worker runs in another folder than this process.
        self._python = python.absolute()
        self._variables = variables
        self._progress = progress

    def run(self, name: str, job: Mapping[str, object], *, work: Path) -> None:
        """Run the worker ``name`` to its end; it is killed when this is interrupted.

        Args:
            name: A module of this package.
            job: What it shall do.
            work: Folder for what it needs and prints.

        Raises:
            QuantizeError: It cannot be started, or fails.
            OSError: The disk is full, for it or for us.
        """
        site = work / f"{name}.site"
        _lay_out(site, name)
        job_path = work / f"{name}.json"
        job_path.write_text(json.dumps(job), encoding="utf-8")
        fault: Mapping[str, object] = {}
        with (work / f"{name}.log").open("w+b") as log:
            reading, writing = os.pipe()
            with os.fdopen(reading, encoding="utf-8") as reports:
                try:
                    # -I: the user's own packages and variables are not on its path.
                    process = self._start(
                        [site, job_path, str(writing)], writing, log, folder=work
                    )
                finally:
                    os.close(writing)
                try:
                    for line in reports:
                        fault = self._hear(json.loads(line)) or fault
                    status = process.wait()
                except BaseException:
                    _kill(process)
                    raise
            if status:
                raise _failure(name, status, fault, _last_of(log))

    def _start(
        self,
        arguments: list[str | Path],
        writing: int,
        log: BinaryIO,
        *,
        folder: Path,
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [self._python, "-I", *arguments],
                stdin=subprocess.DEVNULL,
                # GPTQModel leaves logs where it runs.
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**worker_environment(), **self._variables},
                pass_fds=(writing,),
                # A group of its own, to be killed with all that it starts.
                start_new_session=True,
            )
        except OSError as exc:
            raise QuantizeError(
                f"the worker cannot be started ({exc.strerror})",
                subject=str(self._python),
                remedy="Remove the environment's folder and run this again, or name "
                "another Python with --python",
            ) from exc

    def _hear(self, report: Mapping[str, object]) -> Mapping[str, object] | None:
        """Pass a report on; give it back if it is about a fault."""
        match report:
            case {"say": str(text)}:
                self._progress.say(text)
            case {"work": str(work), "done": int(done), "total": int(total)}:
                self._progress.step(work, done, total)
            case {"fault": _}:
                return report
        return None


def _lay_out(site: Path, name: str) -> None:
    """Make a folder that Python can run, with the few modules that a worker needs."""
    package = site.joinpath(*_PACKAGE.split("."))
    package.mkdir(parents=True)
    for folder in (package, *package.parents[: len(_PACKAGE.split(".")) - 1]):
        (folder / "__init__.py").touch()
    for module in (name, *_SHARED):
        source = files(_PACKAGE) / f"{module}.py"
        (package / f"{module}.py").write_bytes(source.read_bytes())
    start = _START.format(package=_PACKAGE, name=name)
    (site / "__main__.py").write_text(start, encoding="utf-8")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_of(log: BinaryIO) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _KEPT_BYTES))
    return log.read().decode("utf-8", errors="replace").strip()


def _failure(
    name: str, status: int, fault: Mapping[str, object], last: str
) -> Exception:
    """Make an exception of what a worker said of its end."""
    text = str(fault.get("text", ""))
    what = name.replace("_", " ")
    match fault.get("fault"):
        case kind if kind == DISK:
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case kind if kind == MEMORY:
            return QuantizeError(
                f"it ran out of memory ({text})",
                subject=what,
                remedy="Close other programs, use fewer or shorter samples, or "
                "quantise on a larger machine",
            )
        case kind if kind == DEVICE:
            return QuantizeError(
                text,
                subject=what,
                remedy="Choose --device cpu, or name with --python an environment "
                "whose PyTorch is built for CUDA",
            )
    if status == -signal.SIGKILL:
        return QuantizeError(
            "it was killed; memory probably ran out",
            subject=what,
            remedy="Close other programs, or quantise on a larger machine",
        )
    return QuantizeError(
        f"it failed with status {status}",
        subject=what,
        remedy=f"Its last lines say why:\n{last}",
    )
