"""Asks PyTorch about itself and this machine, and checks its build and its origin.

PyTorch is asked by this module as a program: a broken PyTorch can end its process.

It must come from one installer. conda's builds link other libraries (CUDA, OpenMP, MKL)
than the wheels that vLLM is compiled against, and neither installer sees the other's
files: a half-and-half PyTorch imports, and fails in the first kernel.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from pydantic import TypeAdapter

from lsp_server.config import Device
from lsp_server.doctor.findings import Finding, failure, ok, warning
from lsp_server.hardware import Gpu

__all__ = [
    "TESTED_TORCH",
    "TorchCopy",
    "TorchFacts",
    "TorchInstalls",
    "ask_torch",
    "check_torch",
    "check_torch_installs",
    "find_torch_installs",
    "print_facts",
    "read_facts",
]

TESTED_TORCH = "2.13.0"

_PROBE = (sys.executable, "-m", "lsp_server.doctor.torch")

_VLLM_OPERATORS = ("cpu_gemm_wna16", "gptq_marlin_repack", "machete_mm", "gptq_gemm")
"""vLLM's operators that multiply 4-bit weights."""

_TORCH_OPERATOR = "_weight_int4pack_mm_for_cpu"
"""PyTorch's own, which Midfill's kernel for CPUs uses."""

_TORCH_OF_CONDA = ("pytorch", "pytorch-cpu", "pytorch-gpu", "libtorch", "pytorch-cuda")
_ORIGIN = "torch origin"
_CUDA_OF_CONDA = ("cuda-cudart", "cuda-toolkit", "cudatoolkit", "cudnn", "nccl")


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchFacts:
    """What PyTorch reports; empty, with the error, where it cannot be imported.

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


_FACTS = TypeAdapter(TorchFacts)


def ask_torch(
    device: Device, *, probe: Sequence[str] = _PROBE, timeout_s: float = 180.0
) -> TorchFacts:
    """Ask PyTorch, in a process of its own. Takes seconds and never raises.

    Args:
        device: Where the engine is to run.
        probe: The program that asks; it gets the device as its argument.
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
        output: Its stdout; the facts are the last line, libraries may print before.
        errors: Its stderr.
    """
    if status:
        last = (errors.strip().splitlines() or [f"exit status {status}"])[-1]
        return TorchFacts(error=last)
    unreadable = TorchFacts(error="PyTorch's answer cannot be read")
    try:
        facts = _FACTS.validate_json(output.strip().rpartition("\n")[2], strict=True)
    except ValueError:
        return unreadable
    return facts if facts.version else unreadable


def print_facts(device: Device) -> None:
    """Print what PyTorch reports as one line of JSON, for `read_facts`."""
    import torch  # noqa: PLC0415 - the question is also whether this works at all

    library_error = _load_vllm_operators(torch, device)
    operators = [o for o in _VLLM_OPERATORS if hasattr(torch.ops._C, o)]  # noqa: SLF001 - vLLM's own name
    operators += [o for o in (_TORCH_OPERATOR,) if hasattr(torch.ops.aten, o)]
    gpus = range(torch.cuda.device_count()) if device is Device.CUDA else ()
    facts = TorchFacts(
        version=torch.__version__,
        cuda=torch.version.cuda,
        gpus=tuple(_gpu(torch, index) for index in gpus),
        operators=frozenset(operators),
        library_error=library_error,
    )
    sys.stdout.write(_FACTS.dump_json(facts).decode() + "\n")


def _gpu(torch: ModuleType, index: int) -> Gpu:
    major, minor = torch.cuda.get_device_capability(index)
    free_bytes, total_bytes = torch.cuda.mem_get_info(index)
    return Gpu(
        name=torch.cuda.get_device_name(index),
        capability=(major, minor),
        free_bytes=free_bytes,
        total_bytes=total_bytes,
    )


def _load_vllm_operators(torch: ModuleType, device: Device) -> str:
    """Load vLLM's compiled operators without vLLM; return the error, if any.

    Source: vLLM 0.32, ``import_kernels`` of ``platforms/cpu.py`` and
    ``platforms/cuda.py``, for which library is taken where.
    """
    spec = importlib.util.find_spec("vllm")
    if spec is None or spec.origin is None:
        return "vLLM is not installed"
    if device is Device.CUDA:
        name = "_C_stable_libtorch"
    elif torch.cpu._is_avx512_bf16_supported():  # noqa: SLF001 - as vLLM asks
        name = "_C"
    else:
        has_avx512 = torch.cpu._is_avx512_supported()  # noqa: SLF001 - as vLLM asks
        name = "_C_AVX512" if has_avx512 else "_C_AVX2"
    try:
        torch.ops.load_library(Path(spec.origin).with_name(f"{name}.abi3.so"))
    except OSError as error:
        return str(error)
    return ""


def check_torch(facts: TorchFacts, device: Device) -> Finding:
    """Check PyTorch's version and build for an engine on ``device``."""
    if facts.error:
        return failure(
            "torch",
            f"PyTorch cannot be used ({facts.error})",
            f"install the lock again: make install MIDFILL_DEVICE={device.value}",
        )
    build = f"for CUDA {facts.cuda}" if facts.cuda else "for CPUs"
    what = f"PyTorch {facts.version}, built {build}"
    if device is Device.CUDA and facts.cuda is None:
        return failure(
            "torch",
            f"{what}, and the engine shall run on CUDA",
            "install the lock again: make install MIDFILL_DEVICE=cuda",
        )
    if facts.version.partition("+")[0] != TESTED_TORCH:
        return warning(
            "torch",
            f"{what}; Midfill is tested with {TESTED_TORCH}",
            "if the engine does not start, install the lock with make install",
        )
    return ok("torch", what)


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
    """The copies of PyTorch, and conda's packages of it, in an environment.

    Attributes:
        copies: Those in Python's own records.
        conda_torch: conda's packages of PyTorch, with versions.
        conda_cuda: conda's packages of CUDA, with versions.
    """

    copies: tuple[TorchCopy, ...]
    conda_torch: tuple[str, ...]
    conda_cuda: tuple[str, ...]


def find_torch_installs(prefix: Path, folders: Sequence[Path]) -> TorchInstalls:
    """Return what of PyTorch is in the environment ``prefix`` and its ``folders``.

    conda keeps its records in the prefix, Python in each of its folders of packages.
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
    """Check that PyTorch came from one installer."""
    copies = [
        f"torch {copy.version} by {copy.installer or 'an unknown installer'}"
        for copy in installs.copies
    ]
    what = " and ".join([*copies, *(f"conda's {n}" for n in installs.conda_torch)])
    from_wheel = [c for c in installs.copies if c.installer != "conda"]
    if not installs.copies and not installs.conda_torch:
        return failure(_ORIGIN, "no PyTorch", "install the lock: make install")
    if installs.conda_torch and from_wheel:
        return failure(
            _ORIGIN,
            f"{what} lie over each other",
            "make a new environment from environment.yml, with Python alone from conda",
        )
    if len(installs.copies) > 1:
        places = ", ".join(str(copy.folder) for copy in installs.copies)
        return failure(
            _ORIGIN,
            f"{what} are installed at once, in {places}",
            "make a new environment: make clean install",
        )
    if installs.conda_torch or not from_wheel:
        return warning(
            _ORIGIN,
            f"{what}; vLLM's kernels are compiled against PyPI's build",
            "if the engine does not start, make an environment from environment.yml",
        )
    if installs.conda_cuda:
        return warning(
            _ORIGIN,
            f"{what}, beside conda's {', '.join(installs.conda_cuda)}",
            "remove conda's CUDA packages: PyTorch brings its own",
        )
    return ok(_ORIGIN, f"one copy: {what}")


def _installer(record: Path) -> str:
    try:
        return (record / "INSTALLER").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _named(records: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Pick the records of these packages; a record is ``NAME-VERSION-BUILD``."""
    whole = [record.rsplit("-", 2) for record in records if record.count("-") > 1]
    return tuple(f"{name} {version}" for name, version, _ in whole if name in names)


if __name__ == "__main__":
    print_facts(Device(sys.argv[1]))
