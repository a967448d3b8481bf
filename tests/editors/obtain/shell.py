"""Runs the package managers, and turns their failures into reasons."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from obtain.record import UnobtainableError

__all__ = ["last_words", "require", "run", "write_program"]

TIMEOUT_S = 900


def require(*programs: str) -> None:
    """Raise UnobtainableError unless all of these programs are on PATH."""
    for name in programs:
        if shutil.which(name) is None:
            raise UnobtainableError(f"{name} is not on PATH")


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a command and return what it printed.

    Raises:
        UnobtainableError: It failed; the message holds its last words.
    """
    called = " ".join([Path(command[0]).name, *map(str, command[1:3])])
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=os.environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as exc:
        raise UnobtainableError(f"{called}: not done after {TIMEOUT_S} s") from exc
    if done.returncode:
        said = last_words(done.stderr or done.stdout)
        raise UnobtainableError(f"{called}: exit status {done.returncode}: {said}")
    return done.stdout


def last_words(output: str) -> str:
    """Return the last line of an output that says something, at most 200 characters."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reported = [line for line in lines if line.startswith(("E:", "npm error"))]
    return ([*lines[-1:], *reported[:1]] or ["it said nothing"])[-1][:200]


def write_program(path: Path, script: str) -> None:
    """Write a shell script that finds the folder of the editors by itself.

    Args:
        path: Where it goes, in ``.editors/bin``.
        script: What follows; ``$here`` is the folder ``.editors``.
    """
    head = '#!/bin/sh\nhere=$(dirname "$(dirname "$(readlink -f "$0")")")\n'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(f"{head}{script}\n", encoding="utf-8")
    path.chmod(0o755)
