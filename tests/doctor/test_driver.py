"""The NVIDIA driver is asked, and judged against the CUDA of PyTorch."""

import ctypes
from typing import Any

import pytest

from lsp_server.config import Device
from lsp_server.doctor.driver import CudaVersion, check_driver, driver_cuda
from lsp_server.doctor.finding import Level
from lsp_server.doctor.torch_facts import TorchFacts


class Driver:
    """Answers as NVIDIA's library does: a status, and the number behind a pointer."""

    def __init__(self, number: int, status: int = 0) -> None:
        self._number = number
        self._status = status

    def cuDriverGetVersion(self, reference: Any) -> int:  # noqa: ANN401, N802 - ctypes' type has no public name; the library's own name
        ctypes.cast(reference, ctypes.POINTER(ctypes.c_int))[0] = self._number
        return self._status


@pytest.mark.parametrize(
    ("driver", "version"),
    [
        (Driver(13000), (13, 0)),
        (Driver(12080), (12, 8)),
        (Driver(0), None),
        (Driver(13000, status=100), None),
    ],
)
def test_driver_tells_its_cuda(
    monkeypatch: pytest.MonkeyPatch, driver: Driver, version: CudaVersion | None
) -> None:
    """The number is taken apart; an error or no device is as no driver."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: driver)
    assert version == driver_cuda()


@pytest.mark.parametrize("library", ["libno-such-driver.so.1", "libc.so.6"])
def test_missing_driver_is_no_error(library: str) -> None:
    """No library, and one that does not have the function, mean no driver."""
    assert driver_cuda(library) is None


@pytest.mark.parametrize(
    ("driver", "cuda", "device", "level", "told"),
    [
        (None, None, Device.CPU, Level.OK, "none needed"),
        (None, "13.0", Device.CUDA, Level.FAILURE, "no NVIDIA driver"),
        ((13, 0), None, Device.CPU, Level.WARNING, "CUDA 13.0"),
        ((13, 0), None, Device.CUDA, Level.OK, "CUDA 13.0"),
        ((13, 0), "13.0", Device.CUDA, Level.OK, "PyTorch wants 13.0"),
        ((13, 0), "13.2", Device.CUDA, Level.OK, "PyTorch wants 13.2"),
        ((13, 0), "12.8", Device.CUDA, Level.OK, "PyTorch wants 12.8"),
        ((12, 9), "13.0", Device.CUDA, Level.FAILURE, "built for CUDA 13.0"),
    ],
)
def test_judgement(
    driver: CudaVersion | None,
    cuda: str | None,
    device: Device,
    level: Level,
    told: str,
) -> None:
    """An older major version cannot work; a GPU that lies idle is pointed out."""
    finding = check_driver(driver, TorchFacts(cuda=cuda), device)
    assert level is finding.level
    assert told in finding.what
    assert bool(finding.remedy) == (level is not Level.OK)
