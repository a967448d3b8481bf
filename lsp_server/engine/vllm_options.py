"""From Midfill's settings to vLLM's options.

This module does not import vLLM: it decides, `vllm_engine` hands over.
"""

from dataclasses import dataclass
from pathlib import Path

from lsp_server.config import Device, Dtype, EngineConfig
from lsp_server.errors import ConfigError

__all__ = ["VllmOptions", "choose_options", "reserved_cache_bytes"]

_GIB = 1 << 30

#: The engine core computes by itself. On a CPU vLLM would replace its own executor of
#: this kind by a worker process: it wants to set OpenMP's variables there, which
#: `environment` has set already. Without that process a start takes a third less time,
#: half a gigabyte less memory, and no core is spent on waiting.
_ONE_PROCESS = "lsp_server.engine.executor.EngineExecutor"


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmOptions:
    """vLLM's options under vLLM's names, each of them decided.

    ``None`` leaves a choice to vLLM.
    """

    model: str
    dtype: str
    max_model_len: int
    tensor_parallel_size: int
    quantization: str | None
    kv_cache_memory_bytes: int | None
    gpu_memory_utilization: float
    enforce_eager: bool
    max_num_seqs: int
    max_num_batched_tokens: int | None
    seed: int
    block_size: int | None
    performance_mode: str
    max_cudagraph_capture_size: int | None
    distributed_executor_backend: str | None


def choose_options(
    config: EngineConfig,
    *,
    device: Device,
    model_folder: Path,
    context_length: int,
    quantization: str,
) -> VllmOptions:
    """Decide every option of an engine.

    Args:
        config: The user's settings.
        device: ``CPU`` or ``CUDA``.
        model_folder: The checkpoint.
        context_length: The most tokens that the model was trained for.
        quantization: vLLM's name of the checkpoint's scheme; empty where it has none.

    Raises:
        ConfigError: The settings ask for more than the model can do.
    """
    if config.max_model_len > context_length:
        raise ConfigError(
            f"{config.max_model_len} tokens are asked for, but the model knows "
            f"{context_length}",
            subject="engine.max_model_len",
            remedy=f"set it to {context_length} at most, or to 0",
        )
    on_cpu = device is Device.CPU
    scheme = config.quantization or quantization
    return VllmOptions(
        model=str(model_folder),
        dtype=_dtype(config.dtype, on_cpu=on_cpu, quantized=bool(scheme)),
        max_model_len=config.max_model_len or context_length,
        tensor_parallel_size=config.tensor_parallel_size,
        quantization=scheme or None,
        kv_cache_memory_bytes=reserved_cache_bytes(config, device) or None,
        gpu_memory_utilization=config.gpu_memory_utilization,
        enforce_eager=config.enforce_eager or on_cpu,
        max_num_seqs=config.max_num_seqs,
        max_num_batched_tokens=config.max_num_batched_tokens or None,
        seed=config.seed,
        # On a CPU vLLM would take 128, and only full blocks are found in the prefix
        # cache: with 32 a prompt recomputes at most 32 tokens that it need not.
        block_size=32 if on_cpu else None,
        # Captures a CUDA graph for each of the small batches that typing makes.
        performance_mode="balanced" if on_cpu else "interactivity",
        # A prompt that changed by a few hundred tokens runs in a graph, too.
        max_cudagraph_capture_size=None if on_cpu else 512,
        distributed_executor_backend=(
            _ONE_PROCESS if config.tensor_parallel_size == 1 else None
        ),
    )


def reserved_cache_bytes(config: EngineConfig, device: Device) -> int:
    """Give the memory that is set aside for the KV cache; 0 leaves it to vLLM."""
    # vLLM takes 92 % of a CPU machine's memory if it is not told.
    return config.kv_cache_memory_bytes or (_GIB if device is Device.CPU else 0)


def _dtype(dtype: Dtype, *, on_cpu: bool, quantized: bool) -> str:
    """vLLM's name of the activations' type."""
    if dtype is not Dtype.AUTO:
        return str(dtype.value)
    if on_cpu or not quantized:
        return Dtype.BFLOAT16.value
    return Dtype.FLOAT16.value
