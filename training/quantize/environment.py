"""Keeps the private environment in which auto-gptq runs.

auto-gptq needs a transformers that vLLM cannot use, so the two never share an
environment. The repository's installer makes this one from its own lock, when it is
first needed and again when the lock changes. A stamp that is written last says what
the environment was made of, so a half-made one is never used.
"""

import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lsp_server.errors import QuantizeError
from lsp_server.modelstore.progress import Say
from training.quantize.process import run_command

__all__ = ["default_environment", "default_requirements", "ensure_environment"]

_INSTALLER = "install.py"
_LOCK = "quantize"
_LOCK_FILES = ("quantize.txt", "torch-cpu.txt")
_STAMP = ".midfill-environment.json"


def default_requirements() -> Path:
    """Give the folder of locks of the checkout that this module is part of."""
    return Path(__file__).resolve().parents[2] / "requirements"


def default_environment() -> Path:
    """Give the folder where ``make install-quantize`` puts the environment too."""
    return Path(__file__).resolve().parents[2] / ".venv-quantize"


def ensure_environment(folder: Path, *, requirements: Path, progress: Say) -> Path:
    """Give the Python of an environment that holds what the lock says.

    Two that ask at once wait for each other. An environment that was made of another
    lock, by another Python, or not to its end, is brought up to date.

    Args:
        folder: Where the environment is or goes.
        requirements: The folder with the installer and the locks.
        progress: Hears what is installed where.

    Raises:
        QuantizeError: The locks are missing, the folder holds something else, or the
            installation fails.
    """
    wanted = _wanted(requirements)
    python = folder / "bin" / "python"
    with _only_one(folder):
        stamp = folder / _STAMP
        if _read(stamp) == wanted and python.is_file():
            progress(f"using the environment in {folder}")
            return python
        if _holds_something_else(folder):
            raise QuantizeError(
                "the folder holds something that is no virtual environment",
                subject=str(folder),
                remedy="Name an empty or new folder with --environment",
            )
        progress(f"installing auto-gptq into {folder} (once, about 1.5 GB)")
        stamp.unlink(missing_ok=True)
        run_command(
            [sys.executable, requirements / _INSTALLER, folder, _LOCK],
            what="the installation of auto-gptq",
            progress=progress,
        )
        try:
            stamp.write_text(json.dumps(wanted), encoding="utf-8")
        except OSError as exc:
            raise _unwritable(folder, exc) from exc
    return python


def _wanted(requirements: Path) -> Mapping[str, str]:
    """Describe the environment that these locks make with this Python."""
    digest = hashlib.sha256()
    try:
        for name in (_INSTALLER, *_LOCK_FILES):
            digest.update((requirements / name).read_bytes())
    except OSError as exc:
        raise QuantizeError(
            f"the locks of auto-gptq's environment cannot be read ({exc.strerror})",
            subject=str(exc.filename),
            remedy="Run this from a checkout of Midfill, or name its folder of locks "
            "with --requirements",
        ) from exc
    return {"locks_sha256": digest.hexdigest(), "python": sys.version}


def _read(stamp: Path) -> object:
    """Read what the environment was made of; None where that is not known."""
    try:
        content: object = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content


def _holds_something_else(folder: Path) -> bool:
    return folder.exists() and not (
        folder.is_dir()
        and ((folder / "pyvenv.cfg").is_file() or not any(folder.iterdir()))
    )


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes that would make it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Locking the folder above leaves no file behind.
        descriptor = os.open(folder.parent, os.O_RDONLY)
    except OSError as exc:
        raise _unwritable(folder, exc) from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _unwritable(folder: Path, exc: OSError) -> QuantizeError:
    return QuantizeError(
        f"the environment's folder cannot be written ({exc.strerror})",
        subject=str(folder),
        remedy="Free space there, or name another folder with --environment",
    )
