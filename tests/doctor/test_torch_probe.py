"""The probe, where another machine than this one is played."""

import importlib.machinery
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from lsp_server.doctor.torch_probe import main

PAIRS = [
    ("cpu", {"avx512": False, "bf16": False}, "_C_AVX2.abi3.so"),
    ("cpu", {"avx512": True, "bf16": False}, "_C_AVX512.abi3.so"),
    ("cpu", {"avx512": True, "bf16": True}, "_C.abi3.so"),
    ("cuda", {"avx512": True, "bf16": True}, "_C_stable_libtorch.abi3.so"),
]


def torch_with(loaded: list[Path], *, avx512: bool, bf16: bool) -> ModuleType:
    """Play a PyTorch with one GPU, that writes down the libraries that it loads."""

    def load_library(path: Path) -> None:
        loaded.append(path)
        if path.parent.name == "broken":
            raise OSError("undefined symbol: _ZN3c10")

    torch = ModuleType("torch")
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
        ops=SimpleNamespace(
            _C=SimpleNamespace(machete_mm=None, gptq_marlin_repack=None),
            aten=SimpleNamespace(_weight_int4pack_mm_for_cpu=None),
            load_library=load_library,
        ),
    )
    return torch


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Ask":
    """Run the probe on a played machine."""
    return Ask(monkeypatch, capsys)


class Ask:
    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(
        self, device: str, torch: ModuleType, vllm: Path | None
    ) -> dict[str, object]:
        """Let vLLM lie in a folder, or nowhere, and give the probe's answer."""
        spec = vllm and importlib.machinery.ModuleSpec(
            "vllm", None, origin=str(vllm / "__init__.py")
        )
        with self._monkeypatch.context() as patch:
            patch.setitem(sys.modules, "torch", torch)
            patch.setattr(importlib.util, "find_spec", lambda _name: spec)
            patch.setattr(sys, "argv", ["probe", device])
            main()
        answer = json.loads(self._capsys.readouterr().out)
        assert isinstance(answer, dict)
        return answer


@pytest.mark.parametrize(("device", "sets", "library"), PAIRS)
def test_the_library_is_the_one_that_vllm_loads(
    ask: Ask, device: str, sets: dict[str, bool], library: str
) -> None:
    """Device and instruction sets decide which operators are looked at."""
    loaded: list[Path] = []
    answer = ask(device, torch_with(loaded, **sets), Path("/site/vllm"))
    assert [Path("/site/vllm", library)] == loaded
    assert "" == answer["library_error"]


def test_operators_and_gpus_are_told(ask: Ask) -> None:
    """Those that are there, by their names; GPUs where CUDA shall compute."""
    torch = torch_with([], avx512=True, bf16=True)
    answer = ask("cuda", torch, Path("/site/vllm"))
    assert [
        "gptq_marlin_repack",
        "machete_mm",
        "_weight_int4pack_mm_for_cpu",
    ] == answer["operators"]
    gpu = {"name": "H100", "capability": [9, 0], "free_bytes": 7, "total_bytes": 8}
    assert [gpu] == answer["gpus"]
    assert [] == ask("cpu", torch, Path("/site/vllm"))["gpus"]


def test_missing_operators_are_not_told(ask: Ask) -> None:
    """An older PyTorch without the operator for 4-bit weights says so by silence."""
    torch = torch_with([], avx512=True, bf16=True)
    torch.ops.aten = SimpleNamespace()
    torch.ops._C = SimpleNamespace()
    assert [] == ask("cpu", torch, Path("/site/vllm"))["operators"]


def test_vllm_that_does_not_fit_is_told(ask: Ask) -> None:
    """The linker's words for a library built against another PyTorch are kept."""
    torch = torch_with([], avx512=True, bf16=True)
    answer = ask("cuda", torch, Path("/site/broken"))
    assert "undefined symbol: _ZN3c10" == answer["library_error"]


def test_missing_vllm_is_told(ask: Ask) -> None:
    """PyTorch can be asked without vLLM."""
    answer = ask("cuda", torch_with([], avx512=True, bf16=True), None)
    assert "vLLM is not installed" == answer["library_error"]
