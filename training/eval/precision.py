"""Chooses in which precision a model is computed where the server has no rule."""

from dataclasses import replace
from pathlib import Path

from lsp_server.config import Device, Dtype, EngineConfig
from training.eval.contender import Contender

__all__ = ["read_cpu", "settle_precision"]


def read_cpu() -> str:
    """Give what the kernel says of this machine's processors; empty if it does not."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def settle_precision(
    contender: Contender, config: EngineConfig, *, device: Device, cpu: str
) -> EngineConfig:
    """Give the settings to compute ``contender`` with.

    Weights of 16 bits are computed in 32 where the CPU has no AVX-512, as PyTorch
    multiplies 16-bit matrices there several times slower. That is the 16-bit model, a
    little more exactly. What the user set stands, and quantised models are left to the
    server's own rule.

    Args:
        contender: The model.
        config: The user's settings.
        device: ``CPU`` or ``CUDA``.
        cpu: The text of ``/proc/cpuinfo``.
    """
    is_left_open = config.dtype is Dtype.AUTO and not contender.method
    if is_left_open and device is Device.CPU and "avx512f" not in cpu.split():
        return replace(config, dtype=Dtype.FLOAT32)
    return config
