"""Import vLLM in a thread without keeping the event loop from running.

An import in a thread shares the interpreter with the event loop, which waits whenever
the interpreter's lock is held for long. With vLLM that was, in this order: Python's
collector, which goes through a million new objects again and again; the loading of
PyTorch's libraries, half a gigabyte that is relocated under the lock; and the
compilation of four thousand source files where there is no bytecode.

This module does not import PyTorch or vLLM. Figures: ``benchmarks/loop_blocks.py``.
"""

import contextlib
import ctypes
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["load_libraries", "unblocked"]

#: How long a thread may go on when another wants to run; Python's default is 5 ms, and
#: the event loop must wait for its turn several times for each message.
_SWITCH_INTERVAL_S = 0.001

#: What PyTorch's extension module pulls in, in PyTorch's own order. The first is for
#: everybody to see, as PyTorch loads it. The rest of a CUDA build is left to PyTorch,
#: which has its own ways of finding NVIDIA's libraries.
_FOR_ALL = "libtorch_global_deps.so"
_LIBRARIES = ("libc10.so", "libtorch_cpu.so")
_CPU_BUILD_LIBRARIES = ("libtorch.so", "libtorch_python.so")


@contextlib.contextmanager
def unblocked() -> Iterator[None]:
    """Let other threads run while this one imports and builds much.

    The collector pauses. At the end, what is there by then is taken out of its sight:
    modules and classes stay for good, and looking at them would make it slow, and so
    every request that meets it.
    """
    interval_s = sys.getswitchinterval()
    collects = gc.isenabled()
    gc.disable()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval_s)
        gc.freeze()
        if collects:
            gc.enable()


def load_libraries() -> None:
    """Load PyTorch's libraries outside of the interpreter's lock.

    The import that comes later finds them loaded. ``ctypes`` lets the lock go while a
    C function runs, and so while ``dlopen`` does; an import, and ``ctypes.CDLL``, do
    not. Harmless to call again, and where PyTorch is laid out in another way.
    """
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None or "torch" in sys.modules:
        return
    folder = Path(spec.origin).parent / "lib"
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes = [ctypes.c_char_p, ctypes.c_int]
    dlopen.restype = ctypes.c_void_p
    names = [_FOR_ALL, *_LIBRARIES]
    if not (folder / "libtorch_cuda.so").exists():
        names += _CPU_BUILD_LIBRARIES
    for name in filter(lambda name: (folder / name).exists(), names):
        seen_by = os.RTLD_GLOBAL if name == _FOR_ALL else os.RTLD_LOCAL
        dlopen(os.fsencode(folder / name), os.RTLD_LAZY | seen_by)
