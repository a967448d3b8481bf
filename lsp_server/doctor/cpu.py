"""Which instruction sets does this CPU have, of those that inference lives on?"""

from lsp_server.config import Device
from lsp_server.doctor.finding import Finding, Level

__all__ = ["check_cpu", "cpu_flags"]

_SETS = {"AVX2": "avx2", "AVX-512": "avx512f", "AMX": "amx_tile"}


def cpu_flags(cpuinfo: str) -> frozenset[str]:
    """Read the flags of the first processor from the text of ``/proc/cpuinfo``."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def check_cpu(flags: frozenset[str], device: Device) -> Finding:
    """Judge the CPU for an engine on ``device``."""
    found = [name for name, flag in _SETS.items() if flag in flags]
    lacking = [name for name in _SETS if name not in found]
    what = ", ".join(found) or "none that inference uses"
    if lacking and found:
        what += f"; without {' and '.join(lacking)}"
    if "AVX2" not in found and device is Device.CPU:
        return Finding(
            name="cpu",
            level=Level.FAILURE,
            what=what,
            remedy="run the model on an x86-64 CPU with AVX2, or on an NVIDIA GPU",
        )
    return Finding(name="cpu", level=Level.OK, what=what)
