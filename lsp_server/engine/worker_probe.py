"""Questions that the server may ask inside vLLM's worker processes.

vLLM mixes this class into its worker (the option ``worker_extension_cls``) and calls
its methods by name. This module does not import vLLM.
"""

from typing import Any

__all__ = ["WorkerProbe"]


class WorkerProbe:
    """What the front end cannot see by itself."""

    def midfill_linear_kernels(self) -> list[str]:
        """Name the kernels that multiply with quantised weights, sorted.

        vLLM's kernel for CPUs rounds activations to 8 bits where the CPU has AMX, and
        keeps 16 elsewhere; which of the two it does stands behind its name.
        """
        model: Any = self.get_model()  # type: ignore[attr-defined]  # vLLM's worker
        return sorted(set(filter(None, map(_kernel_name, model.modules()))))


def _kernel_name(layer: Any) -> str | None:  # noqa: ANN401 - a module of vLLM's
    kernel = getattr(getattr(layer, "quant_method", None), "kernel", None)
    if kernel is None:
        return None
    name = type(kernel).__name__
    if not hasattr(layer, "use_w4a8"):
        return name
    return f"{name} (W4A8)" if layer.use_w4a8 else f"{name} (W4A16)"
