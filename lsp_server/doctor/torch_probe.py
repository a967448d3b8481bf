"""Asks PyTorch about this machine, in a process of its own, and prints JSON.

Run as ``python -m lsp_server.doctor.torch_probe cpu|cuda``. A PyTorch that is broken
can end its process: here that ends nothing but the question.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["main"]

# What multiplies 4-bit weights: vLLM's own operators, and PyTorch's for our kernel.
_VLLM_OPERATORS = ("cpu_gemm_wna16", "gptq_marlin_repack", "machete_mm", "gptq_gemm")
_TORCH_OPERATOR = "_weight_int4pack_mm_for_cpu"


def main() -> None:
    """Print one JSON object with everything that `torch_facts` reads."""
    import torch  # noqa: PLC0415 - the question is also whether this works at all

    device = sys.argv[1]
    library_error = _load_vllm_operators(torch, device)
    vllm_operators = [o for o in _VLLM_OPERATORS if hasattr(torch.ops._C, o)]  # noqa: SLF001 - vLLM's own name
    gpus = range(torch.cuda.device_count()) if device == "cuda" else ()
    facts = {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "gpus": [_gpu(torch, index) for index in gpus],
        "operators": [
            *vllm_operators,
            *([_TORCH_OPERATOR] if hasattr(torch.ops.aten, _TORCH_OPERATOR) else []),
        ],
        "library_error": library_error,
    }
    sys.stdout.write(json.dumps(facts) + "\n")


def _gpu(torch: ModuleType, index: int) -> dict[str, object]:
    major, minor = torch.cuda.get_device_capability(index)
    free_bytes, total_bytes = torch.cuda.mem_get_info(index)
    return {
        "name": torch.cuda.get_device_name(index),
        "capability": [major, minor],
        "free_bytes": free_bytes,
        "total_bytes": total_bytes,
    }


def _load_vllm_operators(torch: ModuleType, device: str) -> str:
    """Load vLLM's compiled operators without importing vLLM; give the error, if any.

    Source: vLLM 0.32, ``import_kernels`` of ``platforms/cpu.py`` and
    ``platforms/cuda.py``, for which library is taken where.
    """
    spec = importlib.util.find_spec("vllm")
    if spec is None or spec.origin is None:
        return "vLLM is not installed"
    if device == "cuda":
        name = "_C_stable_libtorch"
    elif not torch.cpu._is_avx512_supported():  # noqa: SLF001 - as vLLM asks
        name = "_C_AVX2"
    elif not torch.cpu._is_avx512_bf16_supported():  # noqa: SLF001 - as vLLM asks
        name = "_C_AVX512"
    else:
        name = "_C"
    try:
        torch.ops.load_library(Path(spec.origin).with_name(f"{name}.abi3.so"))
    except OSError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    main()
