"""Can the GPU run 4-bit kernels, and has it room?"""

from lsp_server.config import Device, EngineConfig
from lsp_server.doctor.finding import Finding, Level
from lsp_server.doctor.torch_facts import Gpu, TorchFacts

__all__ = ["check_gpu"]

_GIB = 1 << 30

#: Marlin, vLLM's kernel for GPTQ, starts here; Machete starts at 9.0.
_LEAST_CAPABILITY = (7, 5)


def check_gpu(facts: TorchFacts, config: EngineConfig, device: Device) -> Finding:
    """Judge name, compute capability and free memory of the first GPUs.

    As many are looked at as share the model.
    """
    if device is Device.CPU:
        return Finding(name="gpu", level=Level.OK, what="not used; the CPU computes")
    wanted = config.tensor_parallel_size
    if len(facts.gpus) < wanted:
        return Finding(
            name="gpu",
            level=Level.FAILURE,
            what=f"{len(facts.gpus)} of {wanted} GPUs can be used",
            remedy="check nvidia-smi and CUDA_VISIBLE_DEVICES, or lower "
            "engine.tensor_parallel_size",
        )
    used = facts.gpus[:wanted]
    what = "; ".join(map(_describe, used))
    if min(gpu.capability for gpu in used) < _LEAST_CAPABILITY:
        return Finding(
            name="gpu",
            level=Level.FAILURE,
            what=what,
            remedy="4-bit kernels need compute capability 7.5 or more; use the CPU: "
            "make install MIDFILL_DEVICE=cpu",
        )
    share = min(gpu.free_bytes / gpu.total_bytes for gpu in used)
    if share < config.gpu_memory_utilization:
        return Finding(
            name="gpu",
            level=Level.WARNING,
            what=what,
            remedy="end what else uses the GPU, or set engine.gpu_memory_utilization "
            f"below {share:.2f}",
        )
    return Finding(name="gpu", level=Level.OK, what=what)


def _describe(gpu: Gpu) -> str:
    major, minor = gpu.capability
    return (
        f"{gpu.name}, compute capability {major}.{minor}, "
        f"{gpu.free_bytes / _GIB:.1f} of {gpu.total_bytes / _GIB:.1f} GiB free"
    )
