"""The machine's processor, GPUs and driver are read from the kernel and NVIDIA."""

import ctypes
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from lsp_server.hardware import (
    CudaVersion,
    driver_cuda,
    free_memory_bytes,
    gpu_names,
    read_cpu,
)

CPUINFO = """\
processor\t: 0
model name\t: Some CPU: the fast one
flags\t\t: fpu sse2 avx2 avx512f
bugs\t\t: none

processor\t: 1
model name\t: Another
flags\t\t: fpu
"""


def test_the_first_processor_stands_for_all(tmp_path: Path) -> None:
    """Its name and flags are read; a colon in a value does no harm."""
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO)
    cpu = read_cpu(path)
    assert "Some CPU: the fast one" == cpu.name
    assert {"fpu", "sse2", "avx2", "avx512f"} == cpu.flags


@pytest.mark.parametrize("text", [None, "", "processor : 0\n", "Features : fp\n"])
def test_an_unknown_processor_has_no_flags(tmp_path: Path, text: str | None) -> None:
    """No file, as in a sandbox, or none of the lines, as on other architectures."""
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text)
    cpu = read_cpu(path)
    assert (frozenset(), os.uname().machine) == (cpu.flags, cpu.name)


def test_this_machine_is_read() -> None:
    """The kernel's own file has the form that is expected here."""
    cpu = read_cpu()
    assert "sse2" in cpu.flags
    assert 1 <= cpu.usable_cores <= cpu.usable_processors
    assert 1 <= cpu.usable_cores <= cpu.physical_cores
    assert 0 < free_memory_bytes() < psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("logical", "physical", "usable", "cores"),
    [(16, 8, 16, 8), (16, 8, 4, 2), (16, 8, 1, 1), (4, 4, 3, 3), (4, None, 4, 4)],
)
def test_cores_are_physical_ones_that_may_be_used(
    monkeypatch: pytest.MonkeyPatch,
    logical: int,
    physical: int | None,
    usable: int,
    cores: int,
) -> None:
    """Two threads of one core count once, and other processes' cores not at all."""
    counts = {True: logical, False: physical}
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: counts[logical])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(usable)))
    cpu = read_cpu()
    assert (cores, usable) == (cpu.usable_cores, cpu.usable_processors)


def test_gpus_are_named_by_the_driver(tmp_path: Path) -> None:
    """One name for each, in the order of the bus; none without a driver."""
    for bus, name in (("0000:01", "A"), ("0000:00", "B")):
        (tmp_path / bus).mkdir()
        (tmp_path / bus / "information").write_text(f"Model: \t NVIDIA {name}\n")
    assert ("NVIDIA B", "NVIDIA A") == gpu_names(tmp_path)
    assert () == gpu_names(tmp_path / "none")


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
def test_the_driver_has_a_cuda_version(
    monkeypatch: pytest.MonkeyPatch, driver: Driver, version: CudaVersion | None
) -> None:
    """The number is taken apart; an error or no device is as no driver."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: driver)
    assert version == driver_cuda()


@pytest.mark.parametrize("library", ["libno-such-driver.so.1", "libc.so.6"])
def test_a_missing_driver_is_no_error(library: str) -> None:
    """No library, and one that does not have the function, mean no driver."""
    assert driver_cuda(library) is None
