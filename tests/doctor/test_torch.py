"""PyTorch is asked in a process of its own, and its build and origin are checked."""

import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from lsp_server.config import Device
from lsp_server.doctor.findings import Level
from lsp_server.doctor.torch import (
    TESTED_TORCH,
    TorchCopy,
    TorchFacts,
    TorchInstalls,
    ask_torch,
    check_torch,
    check_torch_installs,
    find_torch_installs,
    print_facts,
    read_facts,
)
from lsp_server.engine.vllm_build import build_device, installed_vllm
from lsp_server.hardware import Gpu

CPU, CUDA = Device.CPU, Device.CUDA
OK, WARNING, FAILURE = Level.OK, Level.WARNING, Level.FAILURE

ANSWER = {
    "version": "2.13.0+cu130",
    "cuda": "13.0",
    "gpus": [{"name": "H100", "capability": [9, 0], "free_bytes": 7, "total_bytes": 8}],
    "operators": ["machete_mm"],
    "library_error": "",
}
FACTS = TorchFacts(
    version="2.13.0+cu130",
    cuda="13.0",
    gpus=(Gpu(name="H100", capability=(9, 0), free_bytes=7, total_bytes=8),),
    operators=frozenset({"machete_mm"}),
)


@pytest.mark.parametrize("before", ["", "a library speaks first\n"])
def test_the_answer_is_the_last_line(before: str) -> None:
    """What libraries print before it is passed over."""
    assert FACTS == read_facts(0, f"{before}{json.dumps(ANSWER)}\n", "a warning")


@pytest.mark.parametrize(
    ("status", "output", "errors", "expected_text"),
    [
        (1, "", "Traceback\n  lines\nOSError: libgomp.so.1\n", "OSError: libgomp.so.1"),
        (-11, "", "", "exit status -11"),
        *(
            (0, output, "", "cannot be read")
            for output in ("", "{}", "[1]", "no JSON", '{"version": 3}')
        ),
        (0, json.dumps(ANSWER | {"gpus": [{"name": 1}]}), "", "cannot be read"),
    ],
)
def test_a_bad_answer_is_an_error(
    status: int, output: str, errors: str, expected_text: str
) -> None:
    """A crash, a silent end and nonsense are facts too."""
    facts = read_facts(status, output, errors)
    assert expected_text in facts.error
    assert "" == facts.version


def test_the_real_pytorch_answers() -> None:
    """It reports the installed version, and has loaded vLLM's own operators."""
    facts = ask_torch(build_device(installed_vllm()))
    assert ("", "") == (facts.error, facts.library_error)
    assert metadata.version("torch") == facts.version
    assert facts.operators


@pytest.mark.parametrize(
    ("program", "expected_text"),
    [
        ("import os; os.abort()", "exit status -6"),
        ("import signal; signal.pause()", "did not answer within 0 s"),
        ("import sys; sys.exit(sys.argv[1])", "cpu"),
    ],
)
def test_a_probe_that_fails_ends_nothing_else(program: str, expected_text: str) -> None:
    """It may crash or hang, and gets the device as its argument."""
    timeout_s = 0.2 if "pause" in program else 60
    probe = [sys.executable, "-c", program]
    assert expected_text in ask_torch(CPU, probe=probe, timeout_s=timeout_s).error


def torch_with(
    loaded: list[Path], *, avx512: bool = True, bf16: bool = True, has: str = ""
) -> ModuleType:
    """Make a PyTorch with one GPU, that writes down the libraries that it loads."""

    def load_library(path: Path) -> None:
        loaded.append(path)
        if path.parent.name == "broken":
            raise OSError("undefined symbol: _ZN3c10")

    torch = ModuleType("torch")
    operators = SimpleNamespace(**dict.fromkeys(has.split()))
    torch.__dict__.update(
        __version__="2.13.0+cu130",
        version=SimpleNamespace(cuda="13.0"),
        cpu=SimpleNamespace(
            _is_avx512_supported=lambda: avx512,
            _is_avx512_bf16_supported=lambda: bf16,
        ),
        cuda=SimpleNamespace(
            device_count=lambda: 1,
            get_device_capability=lambda _index: (9, 0),
            mem_get_info=lambda _index: (7, 8),
            get_device_name=lambda _index: "H100",
        ),
        ops=SimpleNamespace(_C=operators, aten=operators, load_library=load_library),
    )
    return torch


Ask = Callable[[Device, ModuleType, str | None], TorchFacts]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Ask on another machine: its PyTorch, and the folder of its vLLM, if any."""

    def answer(device: Device, torch: ModuleType, vllm: str | None) -> TorchFacts:
        spec = vllm and importlib.machinery.ModuleSpec(
            "vllm", None, origin=f"{vllm}/__init__.py"
        )
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "torch", torch)
            patch.setattr(importlib.util, "find_spec", lambda _name: spec)
            print_facts(device)
        return read_facts(0, capsys.readouterr().out, "")

    return answer


@pytest.mark.parametrize(
    ("device", "avx512", "bf16", "library"),
    [
        (CPU, False, False, "_C_AVX2.abi3.so"),
        (CPU, True, False, "_C_AVX512.abi3.so"),
        (CPU, True, True, "_C.abi3.so"),
        (CUDA, True, True, "_C_stable_libtorch.abi3.so"),
    ],
)
def test_the_library_is_the_one_that_vllm_loads(
    ask: Ask,
    device: Device,
    avx512: bool,  # noqa: FBT001 - pytest passes a case's values by name
    bf16: bool,  # noqa: FBT001 - as above
    library: str,
) -> None:
    """Device and instruction sets decide which operators are looked at."""
    loaded: list[Path] = []
    facts = ask(device, torch_with(loaded, avx512=avx512, bf16=bf16), "/site/vllm")
    assert [Path("/site/vllm", library)] == loaded
    assert "" == facts.library_error


def test_operators_and_gpus_are_reported(ask: Ask) -> None:
    """Those that are there, by their names; GPUs where CUDA computes."""
    names = "gptq_marlin_repack machete_mm _weight_int4pack_mm_for_cpu"
    torch = torch_with([], has=names)
    facts = ask(CUDA, torch, "/site/vllm")
    assert (frozenset(names.split()), FACTS.gpus) == (facts.operators, facts.gpus)
    assert () == ask(CPU, torch, "/site/vllm").gpus
    assert frozenset() == ask(CPU, torch_with([]), "/site/vllm").operators


@pytest.mark.parametrize(
    ("vllm", "expected_text"),
    [("/site/broken", "undefined symbol: _ZN3c10"), (None, "vLLM is not installed")],
)
def test_a_vllm_that_does_not_load_is_reported(
    ask: Ask, vllm: str | None, expected_text: str
) -> None:
    """The linker's words for a library built against another PyTorch are kept."""
    assert expected_text == ask(CUDA, torch_with([]), vllm).library_error


CPU_BUILD = TorchFacts(version=f"{TESTED_TORCH}+cpu")
CUDA_BUILD = TorchFacts(version=f"{TESTED_TORCH}+cu130", cuda="13.0")


@pytest.mark.parametrize(
    ("facts", "device", "level", "expected_text"),
    [
        (CPU_BUILD, CPU, OK, "built for CPUs"),
        (CUDA_BUILD, CUDA, OK, "built for CUDA 13.0"),
        (CUDA_BUILD, CPU, OK, "built for CUDA 13.0"),
        (CPU_BUILD, CUDA, FAILURE, "built for CPUs"),
        (TorchFacts(version="2.9.1+cpu"), CPU, WARNING, TESTED_TORCH),
        (TorchFacts(error="No module named 'torch'"), CPU, FAILURE, "No module"),
    ],
)
def test_the_build_is_checked(
    facts: TorchFacts, device: Device, level: Level, expected_text: str
) -> None:
    """A build that cannot drive the device, or does not import, is a failure."""
    finding = check_torch(facts, device)
    assert level is finding.level
    assert expected_text in finding.what
    assert bool(finding.remedy) == (level is not OK)


def environment(
    prefix: Path, *, copies: Sequence[tuple[str, str]] = (), conda: str = ""
) -> TorchInstalls:
    """Make an environment's records, and read them.

    Args:
        prefix: Where.
        copies: Version and installer of each copy in Python's records.
        conda: The names of conda's records.
    """
    folders = []
    for number, (version, installer) in enumerate(copies):
        folders.append(prefix / str(number))
        record = folders[-1] / f"torch-{version}.dist-info"
        record.mkdir(parents=True)
        if installer:
            (record / "INSTALLER").write_text(f"{installer}\n", encoding="utf-8")
    (prefix / "conda-meta").mkdir(parents=True)
    for name in conda.split():
        (prefix / "conda-meta" / f"{name}.json").write_text("{}", encoding="utf-8")
    return find_torch_installs(prefix, folders)


PIP = ("2.13.0", "pip")
CONDA = ("2.13.0", "conda")


@pytest.mark.parametrize(
    ("copies", "conda", "level", "expected_text"),
    [
        ([("2.13.0+cpu", "uv")], "", OK, "one copy: torch 2.13.0+cpu by uv"),
        ([("2.13.0", "")], "", OK, "by an unknown installer"),
        ([PIP], "python-3.12.4-h1_0", OK, "by pip"),
        ([], "", FAILURE, "no PyTorch"),
        ([PIP, ("2.9.1", "pip")], "", FAILURE, "installed at once"),
        ([PIP], "pytorch-2.9.1-cuda129_0", FAILURE, "conda's pytorch 2.9.1 lie over"),
        ([PIP], "libtorch-2.9.1-cpu_0", FAILURE, "conda's libtorch 2.9.1"),
        ([CONDA], "pytorch-2.13.0-cuda130_0", WARNING, "compiled against PyPI's"),
        ([CONDA], "", WARNING, "by conda"),
        ([PIP], "cudnn-9.8-h2_0 nccl-2.9-h1_0", WARNING, "cudnn 9.8, nccl 2.9"),
    ],
)
def test_the_origin_is_checked(
    tmp_path: Path,
    copies: Sequence[tuple[str, str]],
    conda: str,
    level: Level,
    expected_text: str,
) -> None:
    """One copy from one installer is ok; a mixture names who brought what."""
    finding = check_torch_installs(environment(tmp_path, copies=copies, conda=conda))
    assert level is finding.level
    assert expected_text in finding.what
    assert bool(finding.remedy) == (level is not OK)


def test_other_records_are_passed_over(tmp_path: Path) -> None:
    """A package whose name only begins like PyTorch's, and nonsense, do not count.

    And a folder that Python's path repeats is one place.
    """
    (tmp_path / "0" / "torchvision-0.28.0.dist-info").mkdir(parents=True)
    records = "pytorch-mutex-1.0-cuda history cuda"
    found = environment(tmp_path, copies=[PIP], conda=records)
    copy = TorchCopy(version="2.13.0", folder=tmp_path / "0", installer="pip")
    expected = TorchInstalls(copies=(copy,), conda_torch=(), conda_cuda=())
    assert expected == found
    assert expected == find_torch_installs(tmp_path, [tmp_path / "0"] * 2)


def test_this_environment_has_one_copy() -> None:
    """What the tests themselves run on was installed by one installer."""
    found = find_torch_installs(Path(sys.prefix), [Path(p) for p in sys.path if p])
    assert 1 == len(found.copies)
    assert "conda" != found.copies[0].installer
