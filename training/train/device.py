"""What the device that trains can do."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType

import torch

__all__ = ["autocast", "peak_flops", "this_device", "wait_for"]

_PEAKS: Mapping[str, float] = MappingProxyType(
    {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12}
)
"""Dense bfloat16 operations in a second, from NVIDIA's data sheets (SXM where there
are several)."""


def this_device() -> torch.device:
    """Give the GPU, under ``torchrun`` each process its own; the CPU where none is."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def peak_flops(device: torch.device) -> float | None:
    """Give the peak of a GPU that is known by its name."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for known, peak in _PEAKS.items() if known in name), None)


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Compute in bfloat16 on a GPU; a CPU keeps the exact path."""
    if device.type != "cuda":
        return nullcontext()
    return torch.autocast("cuda", torch.bfloat16)


def wait_for(device: torch.device) -> None:
    """Return when the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
