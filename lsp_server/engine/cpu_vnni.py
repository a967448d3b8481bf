"""Lets vLLM's 4-bit kernel for CPUs round activations to 8 bits without AMX, too.

vLLM rounds them where a CPU has AMX, and only there. Its operator needs no AMX: with
AVX-512's dot products of bytes (VNNI) alone it is twice as fast on a prompt as the one
that keeps 16 bits, and no slower on the tokens after it. On two Zen 4 cores the first
token after 340 came in 201 instead of 391 ms (``benchmarks/cpu_activations.py``).
``VLLM_CPU_INT4_W4A8=0`` keeps 16 bits, here as on AMX.

Source: vLLM 0.32, ``model_executor/kernels/linear/mixed_precision/cpu.py``.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from vllm import envs
from vllm.platforms import current_platform

__all__ = ["kernel_class", "would_gain"]


def would_gain() -> bool:
    """Tell whether this CPU has the instructions, and vLLM would leave them unused."""
    if not current_platform.is_cpu() or not envs.VLLM_CPU_INT4_W4A8:
        return False
    current_platform.import_kernels()
    # PyTorch has no public names for what a CPU can do, and vLLM asks these, too.
    return (
        torch.cpu._is_vnni_supported()  # noqa: SLF001
        and not torch.cpu._is_amx_tile_supported()  # noqa: SLF001
        and hasattr(torch.ops._C, "int4_scaled_mm_cpu")  # noqa: SLF001
    )


@functools.cache
def kernel_class() -> type:
    """The kernel, as a class of vLLM's kind; made late, as its base draws in all."""
    from vllm.model_executor.kernels.linear.mixed_precision.cpu import (
        CPUWNA16LinearKernel,
    )

    class VnniLinearKernel(CPUWNA16LinearKernel):  # type: ignore[misc]  # Any to mypy
        """vLLM's kernel, with 8-bit activations where they are bfloat16."""

        def process_weights_after_loading(self, layer: torch.nn.Module) -> None:
            """Pack the layer's weights for the operator that will multiply them."""
            if self.config.act_type != torch.bfloat16:
                super().process_weights_after_loading(layer)
                return
            with _as_with_amx():
                super().process_weights_after_loading(layer)

    return VnniLinearKernel


@contextmanager
def _as_with_amx() -> Iterator[None]:
    """Answer yes to the one question that vLLM asks before it takes the operator."""
    asked = torch.cpu._is_amx_tile_supported  # noqa: SLF001 - as above
    torch.cpu._is_amx_tile_supported = lambda: True  # noqa: SLF001
    try:
        yield
    finally:
        torch.cpu._is_amx_tile_supported = asked  # noqa: SLF001
