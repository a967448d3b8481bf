"""Checks what the engine runs on: Python, processor, driver, GPUs, vLLM, kernels."""

from collections.abc import Mapping, Sequence
from importlib import metadata

from lsp_server.config import Device, EngineConfig
from lsp_server.doctor.findings import Finding, failure, ok, warning
from lsp_server.doctor.torch import TorchFacts
from lsp_server.engine.vllm_build import (
    LEAST_CAPABILITY,
    PLUGIN,
    TESTED_VLLM,
    build_device,
)
from lsp_server.hardware import CudaVersion, Gpu

__all__ = [
    "check_cpu",
    "check_driver",
    "check_gpu",
    "check_kernels",
    "check_python",
    "check_vllm",
    "plugin_is_loaded",
]

_OLDEST_PYTHON = (3, 11)
_NEWEST_PYTHON = (3, 13)
_INSTRUCTION_SETS = {"AVX2": "avx2", "AVX-512": "avx512f", "AMX": "amx_tile"}
"""Those that inference lives on, and the kernel's flags for them."""

_DRIVER_LIBRARY = "libcuda.so"
_GET_DRIVER = (
    "install NVIDIA's driver, in a container start it with the GPUs (--gpus all), or "
    "use the CPU: make install MIDFILL_DEVICE=cpu"
)

_CUDA_KERNELS = {"gptq_marlin_repack": "Marlin", "machete_mm": "Machete"}


def check_python(version: tuple[int, int, int]) -> Finding:
    """Check that Midfill is tested with this version of Python."""
    what = "Python " + ".".join(map(str, version))
    if version[:2] < _OLDEST_PYTHON:
        return failure(
            "python",
            f"{what} is too old",
            "install Midfill with Python 3.11, 3.12 or 3.13",
        )
    if version[:2] > _NEWEST_PYTHON:
        return warning(
            "python",
            f"{what} is newer than those that Midfill is tested with",
            "if the engine does not start, take Python 3.11, 3.12 or 3.13",
        )
    return ok("python", what)


def check_cpu(flags: frozenset[str], device: Device) -> Finding:
    """Check that the processor has the instruction sets for an engine on ``device``."""
    found = [name for name, flag in _INSTRUCTION_SETS.items() if flag in flags]
    lacking = [name for name in _INSTRUCTION_SETS if name not in found]
    what = ", ".join(found) or "none that inference uses"
    if lacking and found:
        what += f"; without {' and '.join(lacking)}"
    if "AVX2" not in found and device is Device.CPU:
        return failure(
            "cpu", what, "run the model on an x86-64 CPU with AVX2, or on an NVIDIA GPU"
        )
    return ok("cpu", what)


def check_driver(
    driver: CudaVersion | None, facts: TorchFacts, device: Device
) -> Finding:
    """Check that the NVIDIA driver runs the CUDA that PyTorch is built for.

    Within one major version of CUDA any driver will do.

    Source: CUDA's minor version compatibility.
    """
    if driver is None:
        absent = "no NVIDIA driver"
        if device is Device.CPU:
            return ok("driver", f"{absent}, none needed")
        return failure("driver", absent, _GET_DRIVER)
    what = f"the driver runs CUDA {driver[0]}.{driver[1]}"
    if device is Device.CPU:
        return warning(
            "driver",
            f"{what}, but the CPU computes",
            "for the GPU: make install MIDFILL_DEVICE=cuda",
        )
    if facts.cuda is None:
        return ok("driver", what)
    if driver[0] < int(facts.cuda.partition(".")[0]):
        return failure(
            "driver",
            f"{what}, and PyTorch is built for CUDA {facts.cuda}",
            "install a newer NVIDIA driver, or use the CPU: make install "
            "MIDFILL_DEVICE=cpu",
        )
    return ok("driver", f"{what}, PyTorch wants {facts.cuda}")


def check_gpu(facts: TorchFacts, config: EngineConfig, device: Device) -> Finding:
    """Check that the GPUs can run 4-bit kernels, and have room.

    The first GPUs are checked, as many as share the model.
    """
    if device is Device.CPU:
        return ok("gpu", "not used; the CPU computes")
    wanted = config.tensor_parallel_size
    if len(facts.gpus) < wanted:
        return failure(
            "gpu",
            f"{len(facts.gpus)} of {wanted} GPUs can be used",
            "check nvidia-smi and CUDA_VISIBLE_DEVICES, or lower "
            "engine.tensor_parallel_size",
        )
    used = facts.gpus[:wanted]
    what = "; ".join(map(str, used))
    if min(gpu.capability for gpu in used) < LEAST_CAPABILITY:
        return failure(
            "gpu",
            what,
            "4-bit kernels need compute capability 7.5 or more; use the CPU: "
            "make install MIDFILL_DEVICE=cpu",
        )
    remedy = _gpu_memory_remedy(used, config)
    return warning("gpu", what, remedy) if remedy else ok("gpu", what)


def _gpu_memory_remedy(gpus: Sequence[Gpu], config: EngineConfig) -> str:
    """Return what to do where vLLM would find too little free memory; else nothing."""
    free_bytes = min(gpu.free_bytes for gpu in gpus)
    share = min(gpu.free_bytes / gpu.total_bytes for gpu in gpus)
    if config.kv_cache_memory_bytes:
        fits = config.kv_cache_memory_bytes < free_bytes
        limit = f"lower engine.kv_cache_memory_bytes: {free_bytes:,} bytes are free"
    else:
        fits = config.gpu_memory_utilization <= share
        limit = f"set engine.gpu_memory_utilization below {share:.2f}"
    return "" if fits else f"end what else uses the GPU, or {limit}"


def check_vllm(found: Mapping[str, str], device: Device) -> Finding:
    """Check that one tested vLLM is installed, built for an engine on ``device``."""
    what = " and ".join(f"{name} {version}" for name, version in found.items())
    if not found:
        return failure(
            "vllm", "vLLM is not installed", "install the lock: make install"
        )
    if len(found) > 1:
        return failure(
            "vllm",
            f"{what} are installed over each other",
            "make a new environment: make clean install",
        )
    build = build_device(found)
    if build is not device:
        return failure(
            "vllm",
            f"{what} is the {build.value} build, and engine.device asks for "
            f"{device.value}",
            f"set engine.device to auto, or make install MIDFILL_DEVICE={device.value}",
        )
    (version,) = found.values()
    if version.partition("+")[0] != TESTED_VLLM:
        return warning(
            "vllm",
            f"{what}; Midfill is tested with {TESTED_VLLM}",
            "if the engine does not start, install the lock with make install",
        )
    return ok("vllm", what)


def plugin_is_loaded(environment: Mapping[str, str]) -> bool:
    """Return whether vLLM will load our plugin: it is installed, and not kept out."""
    installed = metadata.entry_points(group="vllm.general_plugins", name=PLUGIN)
    allowed = environment.get("VLLM_PLUGINS")
    return bool(installed) and (allowed is None or PLUGIN in allowed.split(","))


def check_kernels(facts: TorchFacts, device: Device, *, has_plugin: bool) -> Finding:
    """Check that there is a kernel for 4-bit weights on ``device``."""
    if device is Device.CUDA:
        names = [
            n for operator, n in _CUDA_KERNELS.items() if operator in facts.operators
        ]
        kernels = " and ".join(names)
    elif "cpu_gemm_wna16" in facts.operators:
        kernels = "vLLM's own for CPUs"
    elif has_plugin and "_weight_int4pack_mm_for_cpu" in facts.operators:
        kernels = "Midfill's own; vLLM has none for this CPU"
    else:
        kernels = ""
    if kernels:
        return ok("kernels", f"4-bit: {kernels}")
    if _DRIVER_LIBRARY in facts.library_error:
        # What the driver brings, no package does: there is nothing to install again.
        return failure(
            "kernels",
            "vLLM's library needs the NVIDIA driver, which is not there "
            f"({facts.library_error})",
            _GET_DRIVER,
        )
    reason = f" ({facts.library_error})" if facts.library_error else ""
    remedy = f"install the lock again: make install MIDFILL_DEVICE={device.value}"
    if device is Device.CPU and not has_plugin:
        reason = f" and vLLM does not load the plugin {PLUGIN}"
        remedy += f"; if VLLM_PLUGINS is set, add {PLUGIN} to it"
    return failure("kernels", f"none for 4-bit weights{reason}", remedy)
