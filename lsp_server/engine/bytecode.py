"""Bytecode for vLLM and what it needs, made before it is imported here.

Without bytecode an import compiles four thousand files, which takes most of a start and
keeps the event loop waiting. Some installers write none, some folders cannot be written
to, and ``PYTHONDONTWRITEBYTECODE`` forbids it beside the sources. Then it is kept in
Midfill's own cache folder, and another process, whose lock is its own, makes it.

This module does not import vLLM.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["cache_folder", "ensure_bytecode"]

#: What the server imports of vLLM, and with it nearly all that its processes import.
_IMPORTS = "import vllm, vllm.engine.arg_utils, vllm.v1.engine.async_llm"

#: The file that stands for all: it comes early, and its compilation means that
#: nothing else of that installation was compiled.
_WITNESS = "torch"


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Return the folder in which Midfill keeps what it can make again.

    None for a user without a home: a folder that others may write to is no place for
    code.
    """
    root = Path(environment.get("XDG_CACHE_HOME", ""))
    if root.is_absolute():
        return root / "midfill"
    try:
        return Path("~/.cache/midfill").expanduser()
    except RuntimeError:
        return None


def ensure_bytecode() -> None:
    """Make what is missing, in a process of its own; blocks until it is there.

    It goes beside the sources, or into Midfill's cache where that is not wanted or not
    possible; this process and its children look for it there from now on. A failure
    costs only the time that it took: the import itself tells what is wrong.
    """
    if _is_made():
        return
    if sys.pycache_prefix is None and (sys.dont_write_bytecode or _is_read_only()):
        folder = cache_folder(os.environ)
        if folder is None:
            return
        sys.pycache_prefix = str(folder / "bytecode")
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not _is_made():
        subprocess.run(
            [sys.executable, "-c", _IMPORTS],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def _is_made() -> bool:
    """Whether the witness was compiled for this interpreter, where it is looked for."""
    source = _source()
    return source is None or Path(importlib.util.cache_from_source(source)).exists()


def _is_read_only() -> bool:
    source = _source()
    return source is not None and not os.access(Path(source).parent, os.W_OK)


def _source() -> str | None:
    """The witness's source file; None where it is not installed or has none."""
    spec = importlib.util.find_spec(_WITNESS)
    return spec.origin if spec else None
