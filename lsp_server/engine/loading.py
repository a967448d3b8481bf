"""Imports vLLM without keeping the event loop waiting.

An import in a thread shares the interpreter with the event loop, which waits whenever
the interpreter's lock is held for long. With vLLM three things hold it, the longest
first:

- Python's garbage collector, which visits a million new objects again and again:
  `unblocked` pauses it.
- The loading of PyTorch's libraries, half a gigabyte that is relocated under the lock:
  `load_libraries` loads them before the import.
- The compilation of four thousand source files where there is no bytecode. Some
  installers write none, some folders cannot be written to, and
  ``PYTHONDONTWRITEBYTECODE`` forbids it: `ensure_bytecode` has another process make it,
  in Midfill's own cache folder if need be.

This module does not import PyTorch or vLLM. Figures: ``benchmarks/loop_blocks.py``.
"""

import contextlib
import ctypes
import gc
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lsp_server.operating_system import user_folder

__all__ = ["ensure_bytecode", "load_libraries", "unblocked"]

#: What the server imports of vLLM, and with it nearly all that its processes import.
_IMPORTS = "import vllm, vllm.engine.arg_utils, vllm.v1.engine.async_llm"

#: The package whose bytecode is looked for. It is imported early, so if it has none,
#: nothing else of the installation was compiled.
_SAMPLE_PACKAGE = "torch"

#: Objects, and collections of younger ones, between two garbage collections; Python's
#: are 700, 10 and 10. A request makes thousands of objects, and hardly a cycle.
#: Source: ``python -m benchmarks.load --paced``, docs/figures.md.
_COLLECTION_THRESHOLDS = (20_000, 20, 100)

#: How long a thread may go on when another wants to run; Python's default is 5 ms, and
#: the event loop must wait for its turn several times for each message.
_SWITCH_INTERVAL_S = 0.001

#: What PyTorch's extension module loads, in PyTorch's own order. The symbols of the
#: first are visible to all, as PyTorch loads it. The rest of a CUDA build is left to
#: PyTorch, which has its own ways of finding NVIDIA's libraries.
_GLOBAL_LIBRARY = "libtorch_global_deps.so"
_LIBRARIES = ("libc10.so", "libtorch_cpu.so")
_CPU_BUILD_LIBRARIES = ("libtorch.so", "libtorch_python.so")


def ensure_bytecode() -> None:
    """Have another process compile vLLM if that was not done; blocks meanwhile.

    The bytecode goes beside the sources, or into Midfill's cache where that is not
    wanted or not possible; this process and its children look for it there from now
    on. If it fails, the import that follows says why.
    """
    if _has_bytecode():
        return
    if sys.pycache_prefix is None and (sys.dont_write_bytecode or _is_read_only()):
        folder = user_folder("cache")
        if folder is None:
            return
        sys.pycache_prefix = str(folder / "bytecode")
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not _has_bytecode():
        subprocess.run(
            [sys.executable, "-c", _IMPORTS],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def load_libraries() -> None:
    """Load PyTorch's libraries outside of the interpreter's lock.

    The import that comes later finds them loaded. ``ctypes`` releases the lock while a
    C function runs, and so while ``dlopen`` does; an import and ``ctypes.CDLL`` do not.
    Does nothing where PyTorch is imported already, or laid out in another way.
    """
    source = _source()
    if source is None or _SAMPLE_PACKAGE in sys.modules:
        return
    folder = Path(source).parent / "lib"
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes = [ctypes.c_char_p, ctypes.c_int]
    dlopen.restype = ctypes.c_void_p
    names = [_GLOBAL_LIBRARY, *_LIBRARIES]
    if not (folder / "libtorch_cuda.so").exists():
        names += _CPU_BUILD_LIBRARIES
    for name in filter(lambda name: (folder / name).exists(), names):
        visibility = os.RTLD_GLOBAL if name == _GLOBAL_LIBRARY else os.RTLD_LOCAL
        dlopen(os.fsencode(folder / name), os.RTLD_LAZY | visibility)


@contextlib.contextmanager
def unblocked() -> Iterator[None]:
    """Let other threads run while this one imports and builds much.

    Garbage collection pauses. At the end, the objects that exist by then are excluded
    from it for good: they are modules and classes, which stay, and visiting them would
    delay every request that meets a collection. Later collections are rarer than
    Python's own, which take a tenth of a busy server's processor.
    """
    interval_s = sys.getswitchinterval()
    was_enabled = gc.isenabled()
    gc.disable()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval_s)
        gc.freeze()
        gc.set_threshold(*_COLLECTION_THRESHOLDS)
        if was_enabled:
            gc.enable()


def _has_bytecode() -> bool:
    """Return whether this interpreter finds bytecode; true if there is no source."""
    source = _source()
    return source is None or Path(importlib.util.cache_from_source(source)).exists()


def _is_read_only() -> bool:
    source = _source()
    return source is not None and not os.access(Path(source).parent, os.W_OK)


def _source() -> str | None:
    """Return the sample package's source file; None if it is not installed."""
    spec = importlib.util.find_spec(_SAMPLE_PACKAGE)
    return spec.origin if spec else None
