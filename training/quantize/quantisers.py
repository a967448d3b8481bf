"""The two quantisers: what each can do, where it is installed, and how that is made.

auto-gptq needs a transformers that vLLM cannot use, so it gets an environment of its
own. The repository's installer makes it from its lock, when it is first needed and
again when the lock changes. A stamp that is written last records what the environment
was made from, so an unfinished one is never used.
"""

import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lsp_server.errors import QuantizeError
from lsp_server.hardware import read_cpu
from training.progress import Say
from training.quantize.worker import run_command

__all__ = [
    "AUTO_GPTQ",
    "BITS",
    "GPTQMODEL",
    "TOOLS",
    "Installation",
    "Tool",
    "default_environment",
    "default_requirements",
    "ensure_environment",
    "find_installation",
]

BITS = 4
"""Bits of a quantised weight: vLLM has CPU kernels for no other number."""

_INSTALLER = "install.py"
_LOCK = "quantize"
_LOCK_FILES = ("quantize.txt", "torch-cpu.txt")
_STAMP = ".midfill-environment.json"

_PRINT_VERSION = """\
import importlib.metadata
import sys

try:
    print(importlib.metadata.version(sys.argv[1]))
except importlib.metadata.PackageNotFoundError:
    print("none")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A quantiser, as ``--backend`` names it.

    Attributes:
        name: Its name, which is also its distribution's.
        version: The version that was tested.
        worker: The module of this package that runs it.
        model_types: The model types that it supports and vLLM runs; others that it
            supports were not tested.
        install: Command that installs it.
        variables: Environment variables that its worker needs.
        legacy: Notice for whoever chooses it; empty if it is maintained.
    """

    name: str
    version: str
    worker: str
    model_types: frozenset[str]
    install: str
    variables: Mapping[str, str] = field(default_factory=dict)
    legacy: str = ""


AUTO_GPTQ = Tool(
    name="auto-gptq",
    version="0.7.1",
    worker="autogptq_worker",
    model_types=frozenset({"gemma", "gpt_bigcode", "llama", "mistral", "qwen2"}),
    install="make install-quantize",
    # Source: huggingface/peft, pull request 3190, by its last maintainer.
    legacy="auto-gptq is legacy: archived in March 2025, it knows no newer model type; "
    "its successor is --backend gptqmodel (make install-gptqmodel)",
)
GPTQMODEL = Tool(
    name="gptqmodel",
    version="7.6.0",
    worker="gptqmodel_worker",
    model_types=frozenset(
        {"gemma", "granite", "llama", "mistral", "qwen2", "qwen3", "starcoder2"}
    ),
    install="make install-gptqmodel",
    variables={
        # It starts two loaders, and stops where it finds fewer CPUs.
        "GPTQMODEL_CPU_WORKERS": str(max(2, read_cpu().usable_processors)),
        "GPTQMODEL_DISABLE_GIL_WARNING": "1",
    },
)
TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in (AUTO_GPTQ, GPTQMODEL)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An installed quantiser.

    Attributes:
        tool: Which one.
        python: The Python that has it.
        version: Its version there.
    """

    tool: Tool
    python: Path
    version: str


def find_installation(tool: Tool, python: Path) -> Installation:
    """Look for a quantiser in a Python's environment.

    Raises:
        QuantizeError: It is missing, or not the tested version.
    """
    lines: list[str] = []
    run_command(
        [python, "-I", "-c", _PRINT_VERSION, tool.name],
        what="the search for the quantiser",
        progress=lines.append,
    )
    version = lines[-1] if lines else "none"
    if version != tool.version:
        found = "is not installed" if version == "none" else f"is version {version}"
        raise QuantizeError(
            f"{tool.name} {found}, and {tool.version} is needed",
            subject=str(python),
            remedy=f"Install it from a checkout of Midfill with `{tool.install}`, or "
            "name a Python that has it with --python",
        )
    return Installation(tool=tool, python=python, version=version)


def default_requirements() -> Path:
    """Return the folder of locks of the checkout that this module belongs to."""
    return Path(__file__).resolve().parents[2] / "requirements"


def default_environment() -> Path:
    """Return the folder where ``make install-quantize`` puts the environment too."""
    return Path(__file__).resolve().parents[2] / ".venv-quantize"


def ensure_environment(folder: Path, *, requirements: Path, progress: Say) -> Path:
    """Return the Python of an environment that holds what auto-gptq's lock lists.

    Concurrent calls wait for each other. An environment made from another lock or by
    another Python, or left unfinished, is brought up to date.

    Args:
        folder: Where the environment is or will be.
        requirements: The folder with the installer and the locks.
        progress: Writes what is installed where.

    Raises:
        QuantizeError: The locks are missing, the folder holds something else, or the
            installation fails.
    """
    contents = _locked_contents(requirements)
    python = folder / "bin" / "python"
    with _folder_lock(folder):
        stamp = folder / _STAMP
        if _read_stamp(stamp) == contents and python.is_file():
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
            stamp.write_text(json.dumps(contents), encoding="utf-8")
        except OSError as exc:
            raise _unwritable(folder, exc) from exc
    return python


def _locked_contents(requirements: Path) -> Mapping[str, str]:
    """Return what identifies an environment made from these locks by this Python."""
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


def _read_stamp(stamp: Path) -> object:
    """Return what an environment was made from; None if that is unknown."""
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
def _folder_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from making the environment at the same time."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # A lock on the parent folder leaves no file behind.
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
