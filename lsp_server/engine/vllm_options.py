"""Decides vLLM's options and environment, and whether there is memory for them.

This module does not import vLLM.
"""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from lsp_server.config import Device, Dtype, EngineConfig
from lsp_server.errors import ConfigError, EngineStartError
from lsp_server.hardware import free_memory_bytes, read_cpu
from lsp_server.operating_system import user_folder

__all__ = [
    "VllmOptions",
    "choose_options",
    "place_caches",
    "prepare_environment",
    "require_memory",
    "reserved_cache_bytes",
]

_GIB = 1 << 30

#: In an engine's own folder, for what is compiled where no other can be written.
_OWN_CACHES = "compiled-by-engine"

#: vLLM takes no 0.
_LEAST_GPU_SHARE = 0.01

#: The engine core computes in its own process. On a CPU vLLM would replace its own
#: executor of this kind by a worker process, to set OpenMP's variables there, which
#: `prepare_environment` has set already. Without that process a start takes a third
#: less time, half a gigabyte less memory, and no core is spent on waiting.
_EXECUTOR = "lsp_server.engine.vllm_executor.EngineExecutor"

#: Not to be changed by the user.
_FORCED = {
    # The server's stdout carries the protocol.
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    # Nothing is sent to anybody, and nothing is fetched: models are local folders.
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    # Messages between the processes are never unpickled from a socket.
    "VLLM_ALLOW_INSECURE_SERIALIZATION": "0",
    # CUDA does not survive a fork, and neither do the threads of an editor's server.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    # vLLM sets process titles, which would overwrite the environment, and by that the
    # guard recognises the engine's processes.
    "SPT_NOENV": "1",
}

#: `multiprocessing` frees the semaphores of an engine that was killed, as it should,
#: and need not warn the user of it.
_TRACKER_WARNING = "ignore:resource_tracker:UserWarning"

#: Set unless the user has set them.
_DEFAULTS = {
    "VLLM_LOGGING_LEVEL": "WARNING",
    # PyTorch's C++ code warns that memory is bound to the only NUMA node.
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}

#: With fewer cores the tokenizer gains nothing from several threads, measured on two;
#: on 16 it took half of the time.
_CORES_FOR_PARALLEL_ENCODING = 4

#: Threads that wait for each other soon sleep. By default they spin, and while another
#: program occupies one of two cores they do so for as long as it runs: a step of 20 ms
#: was measured to take up to 350 ms then.
_OPENMP = {"OMP_WAIT_POLICY": "passive"}

#: The layers of a model that a CPU can serve are too small for more threads.
_MOST_THREADS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmOptions:
    """vLLM's options under vLLM's names; ``None`` leaves a choice to vLLM."""

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
    scheduling_policy: str
    logprobs_mode: str


def choose_options(
    config: EngineConfig,
    *,
    device: Device,
    model_folder: Path,
    context_length: int,
    quantization: str,
) -> VllmOptions:
    """Return the options of an engine.

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
        gpu_memory_utilization=_gpu_share(config),
        enforce_eager=config.enforce_eager or on_cpu,
        max_num_seqs=config.max_num_seqs,
        max_num_batched_tokens=config.max_num_batched_tokens or None,
        seed=config.seed,
        # On a CPU vLLM's default is 128, and the prefix cache finds only full blocks:
        # with 32, at most 32 tokens of a prompt are computed needlessly.
        block_size=32 if on_cpu else None,
        # Captures a CUDA graph for each of the small batches that typing makes.
        performance_mode="balanced" if on_cpu else "interactivity",
        # A prompt that changed by a few hundred tokens then runs in a graph, too.
        max_cudagraph_capture_size=None if on_cpu else 512,
        distributed_executor_backend=(
            _EXECUTOR if config.tensor_parallel_size == 1 else None
        ),
        # What a user waits for goes before what may be of use later.
        scheduling_policy="priority",
        # Of the tokens that a hold allows: the others have no say in what is shown.
        logprobs_mode="processed_logprobs",
    )


def reserved_cache_bytes(config: EngineConfig, device: Device) -> int:
    """Return the memory to reserve for the KV cache, in bytes; 0 leaves it to vLLM."""
    # vLLM takes 92 % of a CPU machine's memory if nothing else is set.
    return config.kv_cache_memory_bytes or (_GIB if device is Device.CPU else 0)


def _gpu_share(config: EngineConfig) -> float:
    """Return the share of a GPU's memory that has to be free at the start.

    With a KV cache of a given size vLLM takes what it needs, but would still refuse to
    start where less than this share is free, as beside another engine.
    """
    if config.kv_cache_memory_bytes:
        return _LEAST_GPU_SHARE
    return config.gpu_memory_utilization


def _dtype(dtype: Dtype, *, on_cpu: bool, quantized: bool) -> str:
    """Return vLLM's name for the type of the activations."""
    if dtype is not Dtype.AUTO:
        return str(dtype.value)
    if on_cpu or not quantized:
        return Dtype.BFLOAT16.value
    return Dtype.FLOAT16.value


def require_memory(model_folder: Path, *, kv_cache_bytes: int) -> None:
    """Check that weights and KV cache fit into the free memory of a CPU machine.

    vLLM checks only after half a minute, or never: the system may kill its process
    first. On CUDA vLLM measures the GPU's memory itself.

    Raises:
        EngineStartError: They do not fit.
    """
    weights_bytes = sum(p.stat().st_size for p in model_folder.glob("*.safetensors"))
    free_bytes = free_memory_bytes()
    if weights_bytes + kv_cache_bytes <= free_bytes:
        return
    raise EngineStartError(
        f"the weights take {weights_bytes / _GIB:.1f} GiB and the KV cache "
        f"{kv_cache_bytes / _GIB:.1f} GiB, but {free_bytes / _GIB:.1f} GiB are free",
        subject=model_folder.name,
        remedy="lower engine.kv_cache_memory_bytes, close other programs, or take a "
        "smaller model",
        lasting=True,
    )


def prepare_environment(device: Device) -> None:
    """Set the environment variables that vLLM and its helpers read, for all processes.

    vLLM reads many of them when it is imported, so this comes before that. What the
    user has set stands, except where another value would break the server or send
    data away.
    """
    os.environ.update(_FORCED)
    defaults = dict(_DEFAULTS)
    cpu = read_cpu()
    parallel = cpu.usable_processors >= _CORES_FOR_PARALLEL_ENCODING
    defaults["TOKENIZERS_PARALLELISM"] = "true" if parallel else "false"
    if device is Device.CUDA and importlib.util.find_spec("flashinfer") is None:
        # vLLM uses flashinfer's sampler by default, and stops if it is not there.
        defaults["VLLM_USE_FLASHINFER_SAMPLER"] = "0"
    if device is Device.CPU:
        threads = min(cpu.usable_cores, _MOST_THREADS)
        defaults |= _OPENMP | {"OMP_NUM_THREADS": str(threads)}
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    warnings = [w for w in os.environ.get("PYTHONWARNINGS", "").split(",") if w]
    if _TRACKER_WARNING not in warnings:
        os.environ["PYTHONWARNINGS"] = ",".join([*warnings, _TRACKER_WARNING])


def place_caches(engine_folder: Path) -> None:
    """Set the folders for what vLLM and PyTorch compile, unless the user has.

    They lie in the user's cache folder. PyTorch would take the temporary folder, which
    all users share; without a home vLLM would make a folder named "~" in the current
    one, and in a home that cannot be written it would not start.

    Args:
        engine_folder: Holds them, as long as the engine lives, if no other place can.
    """
    cache = user_folder("cache")
    usual = {
        "VLLM_CACHE_ROOT": cache.parent / "vllm" if cache else None,
        "TORCHINDUCTOR_CACHE_DIR": cache / "torchinductor" if cache else None,
    }
    for name, place in usual.items():
        chosen = os.environ.get(name)
        if chosen and Path(chosen).parent.name != _OWN_CACHES:
            continue
        is_usable = place is not None and _can_be_made(place)
        own = engine_folder / _OWN_CACHES / name.lower()
        os.environ[name] = str(place if is_usable else own)


def _can_be_made(folder: Path) -> bool:
    """Return whether a folder can be written, or made in the nearest one above it."""
    there = next(each for each in (folder, *folder.parents) if os.access(each, os.F_OK))
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
