"""Is the installed PyTorch the build that the engine needs?"""

from lsp_server.config import Device
from lsp_server.doctor.finding import Finding, Level
from lsp_server.doctor.torch_facts import TorchFacts

__all__ = ["TESTED_TORCH", "check_torch"]

TESTED_TORCH = "2.13.0"


def check_torch(facts: TorchFacts, device: Device) -> Finding:
    """Judge version and build for an engine on ``device``."""
    if facts.error:
        return Finding(
            name="torch",
            level=Level.FAILURE,
            what=f"PyTorch cannot be used ({facts.error})",
            remedy="install the lock again: make install "
            f"MIDFILL_DEVICE={device.value}",
        )
    build = f"for CUDA {facts.cuda}" if facts.cuda else "for CPUs"
    what = f"PyTorch {facts.version}, built {build}"
    if device is Device.CUDA and facts.cuda is None:
        return Finding(
            name="torch",
            level=Level.FAILURE,
            what=f"{what}, and the engine shall run on CUDA",
            remedy="install the lock again: make install MIDFILL_DEVICE=cuda",
        )
    if facts.version.partition("+")[0] != TESTED_TORCH:
        return Finding(
            name="torch",
            level=Level.WARNING,
            what=f"{what}; Midfill is tested with {TESTED_TORCH}",
            remedy="if the engine does not start, install the lock with make install",
        )
    return Finding(name="torch", level=Level.OK, what=what)
