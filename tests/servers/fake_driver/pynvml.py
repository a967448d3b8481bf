"""Stands in for nvidia-ml-py: a busy GPU, an idle one, and one that is lost."""

from dataclasses import dataclass


class NVMLError(Exception):
    """What every call raises."""


@dataclass(frozen=True)
class Utilization:
    """As NVML's structure of this name."""

    gpu: int
    memory: int


@dataclass(frozen=True)
class Memory:
    """As NVML's structure of this name."""

    total: int
    free: int
    used: int


def nvmlInit() -> None:  # noqa: N802 - the library's name
    """Connect."""


def nvmlDeviceGetCount() -> int:  # noqa: N802 - as above
    """Return how many there are."""
    return 3


def nvmlDeviceGetHandleByIndex(index: int) -> int:  # noqa: N802 - as above
    """Return a handle; the last GPU has fallen off the bus."""
    if index == 2:
        raise NVMLError("GPU is lost")
    return index


def nvmlDeviceGetUtilizationRates(handle: int) -> Utilization:  # noqa: N802 - as above
    """Return how busy a GPU is, in per cent."""
    return Utilization(gpu=(97, 0)[handle], memory=(61, 0)[handle])


def nvmlDeviceGetMemoryInfo(handle: int) -> Memory:  # noqa: N802 - as above
    """Return a GPU's memory in bytes."""
    total = 150_754_820_096
    used = (26_388_463_616, 0)[handle]
    return Memory(total=total, free=total - used, used=used)
