"""Facts about this machine: processor, memory, GPUs and NVIDIA driver."""

import ctypes
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = [
    "Cpu",
    "CudaVersion",
    "Gpu",
    "driver_cuda",
    "free_memory_bytes",
    "gpu_names",
    "read_cpu",
]

CudaVersion = tuple[int, int]
"""Major and minor version."""

_GIB = 1 << 30
_CPUINFO = Path("/proc/cpuinfo")
_NVIDIA = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """The processor.

    Attributes:
        name: Its product name as the kernel has it; where the kernel has none, the
            architecture.
        flags: Its instruction sets and features, in the kernel's words; empty where
            the kernel lists none.
        usable_processors: Logical processors that this process may use.
        physical_cores: Cores of the machine, used or not.
        usable_cores: Physical cores that this process may use, at least 1.
    """

    name: str
    flags: frozenset[str]
    usable_processors: int
    physical_cores: int
    usable_cores: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU, as PyTorch sees it.

    Attributes:
        name: Its product name.
        capability: Its compute capability, major and minor.
        free_bytes: Memory that nothing uses at this moment.
        total_bytes: All of its memory.
    """

    name: str
    capability: tuple[int, int]
    free_bytes: int
    total_bytes: int

    def __str__(self) -> str:
        """Describe the GPU in one clause."""
        return (
            f"{self.name}, compute capability {self.capability[0]}."
            f"{self.capability[1]}, {self.free_bytes / _GIB:.1f} of "
            f"{self.total_bytes / _GIB:.1f} GiB free"
        )


def read_cpu(cpuinfo: Path = _CPUINFO) -> Cpu:
    """Read the facts about the processor; takes microseconds.

    Args:
        cpuinfo: The kernel's description; its first processor stands for all. A file
            that cannot be read, as in a sandbox, is an empty one.
    """
    logical = psutil.cpu_count() or 1
    physical = psutil.cpu_count(logical=False) or logical
    usable = len(os.sched_getaffinity(0))
    return Cpu(
        name=_value_in(cpuinfo, "model name") or platform.machine(),
        flags=frozenset(_value_in(cpuinfo, "flags").split()),
        usable_processors=usable,
        physical_cores=physical,
        usable_cores=max(1, usable // max(1, logical // physical)),
    )


def free_memory_bytes() -> int:
    """Return how much main memory programs can still take."""
    return int(psutil.virtual_memory().available)


def gpu_names(folder: Path = _NVIDIA) -> tuple[str, ...]:
    """Return the names of the NVIDIA GPUs that the driver sees, used or not."""
    return tuple(
        _value_in(path, "Model") for path in sorted(folder.glob("*/information"))
    )


def driver_cuda(library: str = "libcuda.so.1") -> CudaVersion | None:
    """Return the newest CUDA version that the driver runs; None without a driver.

    Source: CUDA driver API, ``cuDriverGetVersion``: 1000 x major + 10 x minor.
    """
    number = ctypes.c_int(0)
    try:
        status = ctypes.CDLL(library).cuDriverGetVersion(ctypes.byref(number))
    except (OSError, AttributeError):
        return None
    if status or number.value <= 0:
        return None
    return number.value // 1000, number.value % 1000 // 10


def _value_in(path: Path, key: str) -> str:
    """Return the first value of ``key`` in a file of ``key: value`` lines, or ""."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == key), "")
