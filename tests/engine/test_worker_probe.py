"""The probe names what multiplies 4-bit weights, and how wide activations are."""

from types import SimpleNamespace

import torch

from lsp_server.engine.worker_probe import WorkerProbe


class OneKernel:
    """Stands for a kernel of vLLM's; only its name counts."""


class Worker(WorkerProbe):
    """A worker, as far as the probe can see."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model

    def get_model(self) -> torch.nn.Module:
        """Give the model, as vLLM's worker does."""
        return self._model


def model(*attributes: dict[str, bool]) -> torch.nn.Module:
    """A model with a quantised layer for each, and one that is not quantised."""
    layers = [torch.nn.Linear(2, 2)]
    for each in attributes:
        layer = torch.nn.Linear(2, 2)
        vars(layer).update(each, quant_method=SimpleNamespace(kernel=OneKernel()))
        layers.append(layer)
    return torch.nn.Sequential(*layers)


def test_names_each_kernel_once() -> None:
    """Layers that are not quantised have none; equal ones count once."""
    assert [] == Worker(model()).midfill_linear_kernels()
    assert ["OneKernel"] == Worker(model({}, {})).midfill_linear_kernels()


def test_tells_how_wide_activations_are() -> None:
    """Where the kernel has a choice, what it chose stands behind its name."""
    narrow, wide = {"use_w4a8": True}, {"use_w4a8": False}
    assert ["OneKernel (W4A8)"] == Worker(model(narrow)).midfill_linear_kernels()
    assert ["OneKernel (W4A16)", "OneKernel (W4A8)"] == Worker(
        model(narrow, wide)
    ).midfill_linear_kernels()
