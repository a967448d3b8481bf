"""What the C allocator of vLLM's worker holds, and how it gives back what is free."""

import ctypes
import sys
from typing import ClassVar

from lsp_server.engine.vllm_plugin import WorkerExtension

__all__ = ["HeapProbe", "heap_in_use_bytes", "release_free_heap"]


class HeapProbe(WorkerExtension):
    """The server's own questions to a worker, and the benchmarks'.

    vLLM mixes it into its worker in place of `WorkerExtension`.
    """

    def midfill_heap_in_use_bytes(self) -> int:
        """Free unused memory of this process; return the bytes in use."""
        release_free_heap()
        return heap_in_use_bytes()


class _Mallinfo2(ctypes.Structure):
    """What glibc counts.

    Source: the GNU C Library's manual, "Statistics for Memory Allocation with malloc".
    """

    _fields_: ClassVar = [  # type: ignore[mutable-override]  # as ctypes wants it
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


def release_free_heap() -> None:
    """Return this process's free pages back to the system, where glibc manages them.

    By itself it does so only for a large free piece at the end of the heap. Whether
    there is one hangs on where the last small piece in use happens to lie.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def heap_in_use_bytes() -> int:
    """Return the bytes that malloc counts as in use; 0 without glibc."""
    if sys.platform != "linux":
        return 0
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Mallinfo2
    counted = mallinfo2()
    return int(counted.uordblks + counted.hblkhd)
