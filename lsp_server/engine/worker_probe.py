"""Questions that the server may ask inside vLLM's worker processes.

vLLM mixes this class into its worker (the option ``worker_extension_cls``) and calls
its methods by name. This module does not import vLLM.
"""

from typing import Any

__all__ = ["WorkerProbe"]


class WorkerProbe:
    """What the front end cannot see by itself."""

    def midfill_linear_kernels(self) -> list[str]:
        """Name the kernels that multiply with quantised weights, sorted."""
        model: Any = self.get_model()  # type: ignore[attr-defined]  # vLLM's worker
        methods = (getattr(m, "quant_method", None) for m in model.modules())
        kernels = (getattr(method, "kernel", None) for method in methods)
        return sorted({type(k).__name__ for k in kernels if k is not None})
