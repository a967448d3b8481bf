"""What PyTorch says of itself and of this machine."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lsp_server.config import Device

__all__ = ["Gpu", "TorchFacts", "ask_torch", "read_facts"]

_PROBE = (sys.executable, "-m", "lsp_server.doctor.torch_probe")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU, as PyTorch sees it.

    Attributes:
        name: Its product name.
        capability: Its compute capability.
        free_bytes: Memory that nothing uses at this moment.
        total_bytes: All of its memory.
    """

    name: str
    capability: tuple[int, int]
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchFacts:
    """What PyTorch says; empty, with the error, where it cannot be imported.

    Attributes:
        version: Its version with the build, ``2.13.0+cpu`` for example.
        cuda: The CUDA version that it was built for; None in a CPU build.
        gpus: The GPUs that it can use.
        operators: The operators for 4-bit weights that are there.
        error: Why PyTorch could not be asked; empty if it could.
        library_error: Why vLLM's operators could not be loaded; empty if they were.
    """

    version: str = ""
    cuda: str | None = None
    gpus: tuple[Gpu, ...] = ()
    operators: frozenset[str] = frozenset()
    error: str = ""
    library_error: str = ""


def ask_torch(
    device: Device, *, probe: Sequence[str] = _PROBE, timeout_s: float = 180.0
) -> TorchFacts:
    """Ask PyTorch, in a process of its own. Takes seconds and never raises.

    Args:
        device: Where the engine shall run.
        probe: What asks: a program that gets the device as its argument.
        timeout_s: A probe that takes longer is ended, in seconds.
    """
    try:
        finished = subprocess.run(
            [*probe, device.value],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return TorchFacts(error=f"PyTorch did not answer within {timeout_s:.0f} s")
    return read_facts(finished.returncode, finished.stdout, finished.stderr)


def read_facts(status: int, output: str, errors: str) -> TorchFacts:
    """Read what the probe printed.

    Args:
        status: The probe's exit status; negative where a signal ended it.
        output: Its stdout; the facts are the last line, libraries may speak before.
        errors: Its stderr.
    """
    if status:
        last = (errors.strip().splitlines() or [f"exit status {status}"])[-1]
        return TorchFacts(error=last)
    try:
        raw: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
        return TorchFacts(
            version=raw["version"],
            cuda=raw["cuda"],
            gpus=tuple(
                Gpu(
                    name=gpu["name"],
                    capability=(gpu["capability"][0], gpu["capability"][1]),
                    free_bytes=gpu["free_bytes"],
                    total_bytes=gpu["total_bytes"],
                )
                for gpu in raw["gpus"]
            ),
            operators=frozenset(raw["operators"]),
            library_error=raw["library_error"],
        )
    except (ValueError, LookupError, TypeError):
        return TorchFacts(error="PyTorch's answer cannot be read")
