"""Runs a command and passes on what it says."""

import os
import subprocess
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from lsp_server.errors import QuantizeError
from lsp_server.modelstore.progress import Say

__all__ = ["run_command", "worker_environment"]

_KEPT_LINES = 15


def run_command(command: Sequence[str | Path], *, what: str, progress: Say) -> None:
    """Run the command to its end; it is killed when this is interrupted.

    Args:
        command: The program and its arguments.
        what: What the command does, for the error.
        progress: Hears every line that the command writes.

    Raises:
        QuantizeError: It cannot be started or ends with a failure; the message holds
            the last lines that it wrote.
    """
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=worker_environment(),
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


def worker_environment() -> dict[str, str]:
    """Give the environment variables of what is started: ours, and no network.

    Nothing that runs there may fetch a model or report its use.
    """
    return {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
