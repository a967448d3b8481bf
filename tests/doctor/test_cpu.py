"""The instruction sets are read and judged."""

from pathlib import Path

import pytest

from lsp_server.config import Device
from lsp_server.doctor.cpu import check_cpu, cpu_flags
from lsp_server.doctor.finding import Level

CPUINFO = """\
processor\t: 0
model name\t: Some CPU: the fast one
flags\t\t: fpu sse2 avx2 avx512f
bugs\t\t: none

processor\t: 1
flags\t\t: fpu
"""


def test_flags_are_those_of_the_first_processor() -> None:
    """One line is read; a colon in another value does no harm."""
    assert {"fpu", "sse2", "avx2", "avx512f"} == cpu_flags(CPUINFO)


@pytest.mark.parametrize("text", ["", "processor : 0\n", "Features : fp asimd\n"])
def test_unknown_processors_have_no_flags(text: str) -> None:
    """A file without the line, as on other architectures, gives nothing."""
    assert cpu_flags(text) == frozenset()


@pytest.mark.parametrize(
    ("flags", "device", "level", "what"),
    [
        ("avx2 avx512f amx_tile", Device.CPU, Level.OK, "AVX2, AVX-512, AMX"),
        ("avx2 avx512f", Device.CPU, Level.OK, "AVX2, AVX-512; without AMX"),
        ("avx2", Device.CPU, Level.OK, "AVX2; without AVX-512 and AMX"),
        ("sse2", Device.CPU, Level.FAILURE, "none that inference uses"),
        ("sse2", Device.CUDA, Level.OK, "none that inference uses"),
    ],
)
def test_sets(flags: str, device: Device, level: Level, what: str) -> None:
    """The CPU needs AVX2 if it computes; what is there and what is not is named."""
    finding = check_cpu(frozenset(flags.split()), device)
    assert (level, what) == (finding.level, finding.what)
    assert bool(finding.remedy) == (level is Level.FAILURE)


def test_this_machine_is_read() -> None:
    """The kernel's own file has the form that is expected here."""
    assert "sse2" in cpu_flags(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
