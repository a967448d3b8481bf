"""Is the NVIDIA driver new enough for the CUDA that PyTorch was built for?"""

import ctypes

from lsp_server.config import Device
from lsp_server.doctor.finding import Finding, Level
from lsp_server.doctor.torch_facts import TorchFacts

__all__ = ["CudaVersion", "check_driver", "driver_cuda"]

CudaVersion = tuple[int, int]


def driver_cuda(library: str = "libcuda.so.1") -> CudaVersion | None:
    """Ask the driver for the newest CUDA version that it runs; None without a driver.

    Source: CUDA driver API, ``cuDriverGetVersion``: 1000 x major + 10 x minor.
    """
    number = ctypes.c_int(0)
    try:
        status = ctypes.CDLL(library).cuDriverGetVersion(ctypes.byref(number))
    except (OSError, AttributeError):
        return None
    if status or number.value <= 0:
        return None
    return number.value // 1000, number.value % 1000 // 10


def check_driver(
    driver: CudaVersion | None, facts: TorchFacts, device: Device
) -> Finding:
    """Judge the driver; within one major version of CUDA any driver will do.

    Source: CUDA's minor version compatibility.
    """
    if driver is None:
        absent = "no NVIDIA driver"
        if device is Device.CPU:
            return Finding(name="driver", level=Level.OK, what=f"{absent}, none needed")
        return Finding(
            name="driver",
            level=Level.FAILURE,
            what=absent,
            remedy="install NVIDIA's driver, or use the CPU: make install "
            "MIDFILL_DEVICE=cpu",
        )
    what = f"the driver runs CUDA {driver[0]}.{driver[1]}"
    if device is Device.CPU:
        return Finding(
            name="driver",
            level=Level.WARNING,
            what=f"{what}, but the CPU computes",
            remedy="for the GPU: make install MIDFILL_DEVICE=cuda",
        )
    if facts.cuda is None:
        return Finding(name="driver", level=Level.OK, what=what)
    if driver[0] < int(facts.cuda.partition(".")[0]):
        return Finding(
            name="driver",
            level=Level.FAILURE,
            what=f"{what}, and PyTorch is built for CUDA {facts.cuda}",
            remedy="install a newer NVIDIA driver, or use the CPU: make install "
            "MIDFILL_DEVICE=cpu",
        )
    return Finding(
        name="driver", level=Level.OK, what=f"{what}, PyTorch wants {facts.cuda}"
    )
