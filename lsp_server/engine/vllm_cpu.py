"""What vLLM lacks on CPUs: kernels for 4-bit weights, and sampling that goes on.

Two kinds of CPU gain from the kernels; on others vLLM's own kernels stay in use:

- With AVX2 alone, vLLM has no kernel for 4-bit weights: its AVX2 library lacks the
  operator. `int4_kernel` multiplies by PyTorch's operators instead (`int4`).
- With AVX-512 VNNI but without AMX, vLLM has an operator for 8-bit activations and
  does not use it. `vnni_kernel` does: twice as fast on a prompt as with 16 bits, and
  no slower on the tokens after it. On two Zen 4 cores the first token after 340 came
  in 201 instead of 391 ms (``benchmarks/cpu_activations.py``).
  ``VLLM_CPU_INT4_W4A8=0`` keeps 16 bits, here as on AMX.

vLLM is imported where it is needed: its linear kernels take seconds to import.

Source: vLLM 0.32, ``model_executor/kernels/linear``: kernels are tried in the order of
registration, and the first that claims to implement a layer is taken. vLLM's own CPU
kernel claims so even where its operator was not compiled, and fails at the first
forward pass. For sampling, ``v1/sample/ops/logprobs.py`` and
``v1/worker/gpu_model_runner.py``.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from lsp_server.engine import int4
from lsp_server.hardware import free_memory_bytes

if TYPE_CHECKING:
    from vllm.model_executor.kernels.linear.mixed_precision import MPLinearLayerConfig

__all__ = [
    "RewindableGenerator",
    "mend_sampling",
    "register",
    "vnni_gains",
    "vnni_kernel",
]

#: vLLM's kernel, which would be taken before ours.
_VLLM_KERNEL = "CPUWNA16LinearKernel"
#: The float32 copies of all layers of one kind may take this share of free memory. A
#: model has four kinds of linear layers, so the copies take at most a third.
_COPY_SHARE = 1 / 12


def register() -> None:
    """Register the kernel that this CPU gains from, if any, with vLLM."""
    if _lacks_kernel():
        _register_kernel(int4_kernel())
    elif vnni_gains():
        _register_kernel(vnni_kernel())


def mend_sampling() -> None:
    """Mend vLLM's sampling in this process, if its vLLM computes on a CPU.

    - vLLM compiles the function that log-probabilities need when it is first used, with
      a C++ compiler that a user need not have. Without one the engine would die.
    - While a prompt is read in parts, vLLM discards what it samples, and rewinds the
      random numbers of a request that has a seed. PyTorch's generators for CPUs refuse
      that, and the engine would die of it.
    """
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        current_platform.simple_compile_backend = "eager"
        torch.Generator = RewindableGenerator  # type: ignore[misc]  # vLLM's are meant


def _lacks_kernel() -> bool:
    """Return whether this is an x86 CPU for which vLLM has no 4-bit kernel."""
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return False
    current_platform.import_kernels()
    return (
        torch.backends.cpu.get_cpu_capability() == "AVX2"
        and not hasattr(torch.ops._C, "cpu_gemm_wna16")  # noqa: SLF001 - vLLM's
        # operators have no other name.
    )


def vnni_gains() -> bool:
    """Return whether this CPU has VNNI instructions that vLLM would leave unused."""
    from vllm import envs
    from vllm.platforms import current_platform

    if not current_platform.is_cpu() or not envs.VLLM_CPU_INT4_W4A8:
        return False
    current_platform.import_kernels()
    # PyTorch has no public names for what a CPU can do, and vLLM asks these, too.
    return (
        torch.cpu._is_vnni_supported()  # noqa: SLF001 - as vLLM asks
        and not torch.cpu._is_amx_tile_supported()  # noqa: SLF001 - as vLLM asks
        and hasattr(torch.ops._C, "int4_scaled_mm_cpu")  # noqa: SLF001 - vLLM's
    )


@functools.cache
def _register_kernel(kernel: type) -> None:
    from vllm.model_executor.kernels.linear import register_linear_kernel
    from vllm.platforms.interface import PlatformEnum

    disabled = os.environ.get("VLLM_DISABLED_KERNELS", "").split(",")
    if _VLLM_KERNEL not in disabled:
        names = [*filter(None, disabled), _VLLM_KERNEL]
        os.environ["VLLM_DISABLED_KERNELS"] = ",".join(names)
    register_linear_kernel(kernel, PlatformEnum.CPU, "mp")


def unsupported_layer(layer: "MPLinearLayerConfig") -> str | None:
    """Return why `int4_kernel` does not fit a layer; None where it does."""
    from vllm.scalar_type import scalar_types

    in_features, out_features = layer.partition_weight_shape
    group_size = in_features if layer.group_size == -1 else layer.group_size
    if layer.weight_type != scalar_types.uint4b8 or layer.zero_points:
        return "only symmetric 4-bit weights are supported"
    if layer.act_type not in {torch.bfloat16, torch.float16}:
        return f"activations of type {layer.act_type} are not supported"
    if in_features % group_size or group_size % int4.GROUP_SIZES[-1]:
        return f"group size {layer.group_size} of {in_features} input features"
    if out_features % int4.OUT_FEATURES_MULTIPLE:
        return f"{out_features} output features are not a multiple of 16"
    return None


@functools.cache
def int4_kernel() -> type:
    """Return the kernel class for CPUs with AVX2 alone."""
    from vllm.config import get_current_vllm_config
    from vllm.model_executor.kernels.linear.mixed_precision import MPLinearKernel
    from vllm.model_executor.layers.quantization.utils.quant_utils import (
        unpack_quantized_values_into_int32,
    )

    class TorchInt4LinearKernel(MPLinearKernel):  # type: ignore[misc]  # Any to mypy
        """Symmetric 4-bit weights on a CPU without AVX-512."""

        _weight: int4.PackedWeight

        def __init__(
            self,
            c: "MPLinearLayerConfig",
            w_q_param_name: str,
            w_s_param_name: str,
            w_zp_param_name: str | None = None,
        ) -> None:
            """Compute how much memory this layer's float32 copy may take."""
            super().__init__(c, w_q_param_name, w_s_param_name, w_zp_param_name)
            model = get_current_vllm_config().model_config
            free_bytes = free_memory_bytes()
            share = _COPY_SHARE / model.hf_text_config.num_hidden_layers
            self._room_bytes = int(free_bytes * share)

        @classmethod
        def get_min_capability(cls) -> int:
            """Return -1: a CPU has no compute capability."""
            return -1

        @classmethod
        def can_implement(cls, c: "MPLinearLayerConfig") -> tuple[bool, str | None]:
            """Return whether this kernel fits a layer, or why not."""
            reason = unsupported_layer(c)
            return reason is None, reason

        def process_weights_after_loading(self, layer: torch.nn.Module) -> None:
            """Pack the layer's weights and free the loaded ones."""
            weight = getattr(layer, self.w_q_name)
            scale = getattr(layer, self.w_s_name)
            # GPTQ stores (K / 8, N) and (groups, N); compressed-tensors the other
            # way round.
            weight_kn = weight.data.t() if weight.input_dim == 1 else weight.data
            scale_gn = scale.data.t() if scale.output_dim == 0 else scale.data
            codes = unpack_quantized_values_into_int32(
                weight_kn, self.config.weight_type, 0
            )
            self._weight = int4.pack(
                codes.t(), scale_gn.contiguous(), room_bytes=self._room_bytes
            )
            weight.data = torch.empty(0, dtype=weight.dtype)
            scale.data = torch.empty(0, dtype=scale.dtype)

        def apply_weights(
            self,
            layer: torch.nn.Module,  # noqa: ARG002 - vLLM's signature
            x: torch.Tensor,
            bias: torch.Tensor | None = None,
        ) -> torch.Tensor:
            """Multiply activations of shape (..., K) to (..., N)."""
            product = self._weight.multiply(x.reshape(-1, x.shape[-1]))
            if bias is not None:
                product += bias
            return product.reshape(*x.shape[:-1], -1)

    return TorchInt4LinearKernel


@functools.cache
def vnni_kernel() -> type:
    """Return the kernel class for CPUs with AVX-512 VNNI and without AMX."""
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
            with _pretending_amx():
                super().process_weights_after_loading(layer)

    return VnniLinearKernel


@contextmanager
def _pretending_amx() -> Iterator[None]:
    """Have PyTorch report AMX, which is what vLLM asks before it takes the operator."""
    original = torch.cpu._is_amx_tile_supported  # noqa: SLF001 - vLLM asks it
    torch.cpu._is_amx_tile_supported = lambda: True  # noqa: SLF001 - vLLM asks it
    try:
        yield
    finally:
        torch.cpu._is_amx_tile_supported = original  # noqa: SLF001 - put back


class RewindableGenerator(torch.Generator):
    """A generator for a CPU that can be rewound to its beginning."""

    def get_offset(self) -> int:
        """Return how far it has got: not known, so 0."""
        return 0

    def set_offset(self, offset: int) -> torch.Generator:  # noqa: ARG002 - PyTorch's
        """Begin anew: nothing that was drawn until now was used."""
        return self.manual_seed(self.initial_seed())
