"""The plugin that vLLM loads into each of its processes.

On a CPU it gives vLLM the 4-bit linear kernel that its AVX2 library lacks, or the
better use of its own kernel that `cpu_vnni` describes; elsewhere it leaves the kernels
alone. In the processes of an engine that Midfill started it also reports how far a
start has got and why it failed (`start_report`), and keeps their log readable
(`log_noise`).

Source: vLLM 0.32, ``model_executor/kernels/linear``: kernels are tried in the order of
registration, and the first that says it can implement a layer is taken. vLLM's own CPU
kernel says so even where its operator was not compiled, and fails at the first forward.
"""

import functools
import os
from typing import TYPE_CHECKING

import psutil
import torch
from vllm.platforms import current_platform

from lsp_server.engine import cpu_vnni, int4, log_noise, start_report

if TYPE_CHECKING:
    from vllm.model_executor.kernels.linear.mixed_precision import MPLinearLayerConfig

__all__ = ["kernel_class", "register", "unsupported_reason"]

#: vLLM's kernel that stands before ours.
_OTHER_KERNEL = "CPUWNA16LinearKernel"

#: The float32 copies of all layers of one kind may take this share of free memory. A
#: model has four kinds of linear layers, so the copies take at most a third.
_COPY_SHARE = 1 / 12


def register() -> None:
    """Do in this process what Midfill's engine needs; harmless to call again."""
    start_report.report_failures()
    log_noise.hush()
    if _needs_kernel():
        _register_kernel(kernel_class())
    elif cpu_vnni.would_gain():
        _register_kernel(cpu_vnni.kernel_class())


def _needs_kernel() -> bool:
    """Whether this is an x86 CPU for which vLLM has no 4-bit kernel."""
    if not current_platform.is_cpu():
        return False
    current_platform.import_kernels()
    return (
        torch.backends.cpu.get_cpu_capability() == "AVX2"
        and not hasattr(torch.ops._C, "cpu_gemm_wna16")  # noqa: SLF001 - vLLM's
        # operators have no other name.
    )


@functools.cache
def _register_kernel(kernel: type) -> None:
    from vllm.model_executor.kernels.linear import register_linear_kernel
    from vllm.platforms.interface import PlatformEnum

    disabled = os.environ.get("VLLM_DISABLED_KERNELS", "").split(",")
    if _OTHER_KERNEL not in disabled:
        names = [*filter(None, disabled), _OTHER_KERNEL]
        os.environ["VLLM_DISABLED_KERNELS"] = ",".join(names)
    register_linear_kernel(kernel, PlatformEnum.CPU, "mp")


def unsupported_reason(layer: "MPLinearLayerConfig") -> str | None:
    """Tell why the kernel does not fit a layer; None where it does."""
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
def kernel_class() -> type:
    """The kernel, as a class of vLLM's kind.

    It is made when it is first asked for, because its base class draws in every
    kernel of vLLM.
    """
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
            """Find out how much memory this layer's float32 copy may take."""
            super().__init__(c, w_q_param_name, w_s_param_name, w_zp_param_name)
            model = get_current_vllm_config().model_config
            free_bytes = psutil.virtual_memory().available
            share = _COPY_SHARE / model.hf_text_config.num_hidden_layers
            self._room_bytes = int(free_bytes * share)

        @classmethod
        def get_min_capability(cls) -> int:
            """Any: a CPU has no compute capability."""
            return -1

        @classmethod
        def can_implement(cls, c: "MPLinearLayerConfig") -> tuple[bool, str | None]:
            """Tell whether this kernel fits a layer, or why not."""
            reason = unsupported_reason(c)
            return reason is None, reason

        def process_weights_after_loading(self, layer: torch.nn.Module) -> None:
            """Pack the layer's weights and let go of the loaded ones."""
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
