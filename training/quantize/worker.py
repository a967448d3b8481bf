"""Runs the heavy work as subprocesses: workers with reports, and plain commands.

A worker is a module of this package that runs in another Python environment, which has
neither Midfill nor its dependencies. It is copied there together with the two modules
that it may import, and reports through a pipe. What it prints goes into a log file,
whose end is shown only if the worker fails.
"""

import errno
import json
import os
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO

from lsp_server.errors import QuantizeError
from training.progress import Progress, Say
from training.quantize.worker_report import DEVICE, DISK, MEMORY

__all__ = ["Worker", "run_command"]

_PACKAGE = "training.quantize"
_SHARED = ("worker_report", "worker_tensors")
"""Modules that are copied beside every worker. They import nothing of Midfill."""

_START = """\
import sys

from {package}.{name} import main
from {package}.worker_report import run_job

sys.exit(run_job(main, sys.argv[1:]))
"""
_SHOWN_LOG_BYTES = 3_000
_SHOWN_LINES = 15


class Worker:
    """Runs workers, one after the other.

    Args:
        python: The Python to run them in.
        variables: Environment variables that they need.
        progress: Shows what they report.
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
            job: The worker's input, as JSON values.
            work: Folder for the worker's files and its log.

        Raises:
            QuantizeError: It cannot be started, or fails.
            OSError: The disk is full.
        """
        site = work / f"{name}.site"
        _copy_modules(site, name)
        job_path = work / f"{name}.json"
        job_path.write_text(json.dumps(job), encoding="utf-8")
        fault: Mapping[str, object] = {}
        with (work / f"{name}.log").open("w+b") as log:
            reading, writing = os.pipe()
            with os.fdopen(reading, encoding="utf-8") as reports:
                try:
                    process = self._start(
                        [site, job_path, str(writing)], writing, log, folder=work
                    )
                finally:
                    os.close(writing)
                try:
                    for line in reports:
                        report = json.loads(line)
                        if "fault" in report:
                            fault = report
                        else:
                            self._show(report)
                    status = process.wait()
                except BaseException:
                    _kill(process)
                    raise
            if status:
                raise _failure(name, status, fault, _end_of(log))

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
                # -I: the user's own packages and variables are not on its path.
                [self._python, "-I", *arguments],
                stdin=subprocess.DEVNULL,
                # GPTQModel leaves logs in its working directory.
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**_offline_environment(), **self._variables},
                pass_fds=(writing,),
                # Its own process group, killed together with all that it starts.
                start_new_session=True,
            )
        except OSError as exc:
            raise QuantizeError(
                f"the worker cannot be started ({exc.strerror})",
                subject=str(self._python),
                remedy="Remove the environment's folder and run this again, or name "
                "another Python with --python",
            ) from exc

    def _show(self, report: Mapping[str, object]) -> None:
        match report:
            case {"say": str(text)}:
                self._progress.say(text)
            case {"work": str(work), "done": int(done), "total": int(total)}:
                self._progress.step(work, done, total)


def run_command(command: Sequence[str | Path], *, what: str, progress: Say) -> None:
    """Run a command to its end; it is killed when this is interrupted.

    Args:
        command: The program and its arguments.
        what: What the command does, for the error.
        progress: Called with every line that the command writes.

    Raises:
        QuantizeError: It cannot be started, or fails; the message holds its last
            lines.
    """
    last: deque[str] = deque(maxlen=_SHOWN_LINES)
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_offline_environment(),
        ) as process:
            try:
                for line in process.stdout or ():
                    last.append(line.rstrip())
                    progress(line.rstrip())
            except BaseException:
                process.kill()
                raise
    except OSError as exc:
        raise QuantizeError(
            f"{what} cannot be started ({exc.strerror})",
            subject=str(command[0]),
            remedy="Remove the environment's folder and run this again",
        ) from exc
    if process.returncode:
        raise QuantizeError(
            f"{what} failed with status {process.returncode}",
            subject=str(command[0]),
            remedy="Its last lines say why:\n" + "\n".join(last),
        )


def _offline_environment() -> dict[str, str]:
    """Return this process's variables, with Hugging Face's libraries kept offline.

    No subprocess may download a model or report its use.
    """
    return {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


def _copy_modules(site: Path, name: str) -> None:
    """Make a folder that Python can run, with a worker and the modules it needs."""
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


def _end_of(log: BinaryIO) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _SHOWN_LOG_BYTES))
    return log.read().decode("utf-8", errors="replace").strip()


def _failure(
    name: str, status: int, fault: Mapping[str, object], last: str
) -> Exception:
    """Return the error for a worker that reported ``fault`` and ended with ``status``.

    Args:
        name: The worker.
        status: Its exit status.
        fault: The fault that it reported; empty if none.
        last: The end of its log.
    """
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
