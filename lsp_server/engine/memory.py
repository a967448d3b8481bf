"""Whether a model fits into a CPU machine's free memory, told before it is loaded.

vLLM finds out for itself, but only after half a minute, or never: the system may kill
its process first. On CUDA vLLM measures the GPU, which this module knows nothing of.
"""

from pathlib import Path

import psutil

from lsp_server.errors import EngineStartError

__all__ = ["require_memory"]

_GIB = 1 << 30


def require_memory(model_folder: Path, *, kv_cache_bytes: int) -> None:
    """Make sure that the weights and the KV cache fit into the free memory.

    Raises:
        EngineStartError: They do not.
    """
    weights_bytes = sum(p.stat().st_size for p in model_folder.glob("*.safetensors"))
    free_bytes = psutil.virtual_memory().available
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
