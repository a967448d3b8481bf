"""Did PyTorch come from one place, or half from conda and half from pip?

vLLM's kernels are compiled against one build of PyTorch. conda's builds link other
libraries (CUDA, OpenMP, MKL) than the wheels do, and neither installer sees the other's
files: a half-and-half PyTorch imports, and fails in the first kernel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lsp_server.doctor.finding import Finding, Level

__all__ = ["TorchCopy", "TorchInstalls", "check_torch_installs", "find_torch_installs"]

_TORCH_OF_CONDA = ("pytorch", "pytorch-cpu", "pytorch-gpu", "libtorch", "pytorch-cuda")
_CUDA_OF_CONDA = ("cuda-cudart", "cuda-toolkit", "cudatoolkit", "cudnn", "nccl")


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchCopy:
    """One installed PyTorch.

    Attributes:
        version: Its version with the build.
        folder: The folder of packages that it lies in.
        installer: Who put it there: ``pip``, ``uv`` or ``conda``; empty if unknown.
    """

    version: str
    folder: Path
    installer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchInstalls:
    """Everything of PyTorch that is in an environment.

    Attributes:
        copies: What Python's own records say.
        conda_torch: conda's packages of PyTorch, with versions.
        conda_cuda: conda's packages of CUDA, with versions.
    """

    copies: tuple[TorchCopy, ...]
    conda_torch: tuple[str, ...]
    conda_cuda: tuple[str, ...]


def find_torch_installs(prefix: Path, folders: Sequence[Path]) -> TorchInstalls:
    """Look for PyTorch in an environment.

    Args:
        prefix: The environment; conda keeps its records in ``conda-meta`` there.
        folders: Where Python looks for packages.
    """
    copies = [
        TorchCopy(
            version=record.name.removeprefix("torch-").removesuffix(".dist-info"),
            folder=folder,
            installer=_installer(record),
        )
        for folder in dict.fromkeys(folders)
        for record in sorted(folder.glob("torch-*.dist-info"))
    ]
    records = [path.stem for path in sorted((prefix / "conda-meta").glob("*.json"))]
    return TorchInstalls(
        copies=tuple(copies),
        conda_torch=_named(records, _TORCH_OF_CONDA),
        conda_cuda=_named(records, _CUDA_OF_CONDA),
    )


def check_torch_installs(installs: TorchInstalls) -> Finding:
    """Judge where PyTorch came from."""
    copies = [
        f"torch {copy.version} by {copy.installer or 'an unknown installer'}"
        for copy in installs.copies
    ]
    what = " and ".join([*copies, *(f"conda's {n}" for n in installs.conda_torch)])
    from_wheel = [c for c in installs.copies if c.installer != "conda"]
    if not installs.copies and not installs.conda_torch:
        return _finding(Level.FAILURE, "no PyTorch", "install the lock: make install")
    if installs.conda_torch and from_wheel:
        return _finding(
            Level.FAILURE,
            f"{what} lie over each other",
            "make a new environment from environment.yml, with Python alone from conda",
        )
    if len(installs.copies) > 1:
        places = ", ".join(str(copy.folder) for copy in installs.copies)
        return _finding(
            Level.FAILURE,
            f"{what} are installed at once, in {places}",
            "make a new environment: make clean install",
        )
    if installs.conda_torch or not from_wheel:
        return _finding(
            Level.WARNING,
            f"{what}; vLLM's kernels are compiled against PyPI's build",
            "if the engine does not start, make an environment from environment.yml",
        )
    if installs.conda_cuda:
        return _finding(
            Level.WARNING,
            f"{what}, beside conda's {', '.join(installs.conda_cuda)}",
            "remove conda's CUDA packages: PyTorch brings its own",
        )
    return _finding(Level.OK, f"one copy: {what}", "")


def _finding(level: Level, what: str, remedy: str) -> Finding:
    return Finding(name="torch origin", level=level, what=what, remedy=remedy)


def _installer(record: Path) -> str:
    try:
        return (record / "INSTALLER").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _named(records: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Pick the records of these packages; a record is ``NAME-VERSION-BUILD``."""
    whole = [record.rsplit("-", 2) for record in records if record.count("-") > 1]
    return tuple(f"{name} {version}" for name, version, _ in whole if name in names)
