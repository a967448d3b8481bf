"""The machine is described, and the precision chosen for it."""

import platform
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.config import Device, Dtype, EngineConfig
from training.eval import machine
from training.eval.machine import choose_precision, describe_machine
from training.eval.model import EvaluatedModel

ROOT = Path(__file__).parents[3]


def test_looks_around() -> None:
    """Processor, cores and versions are there."""
    found = describe_machine()
    assert found.cpu
    assert found.cores >= 1
    assert platform.python_version() == found.versions["python"]
    assert {"midfill", "numpy", "tokenizers"} <= found.versions.keys()


@pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="a copy without history has no commit"
)
def test_commit() -> None:
    """The commit is the checkout's, and changes to it are reported."""
    asked = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.strip() == (describe_machine().commit or "").partition("+")[0]


def test_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation has no commit, whatever checkout it lies in."""
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    assert describe_machine().commit is None


@pytest.mark.parametrize(
    ("method", "device", "cpu", "expected"),
    [
        ("", Device.CPU, "avx2", Dtype.FLOAT32),
        ("", Device.CPU, "avx2 avx512f", Dtype.AUTO),
        ("", Device.CUDA, "avx2", Dtype.AUTO),
        ("gptq", Device.CPU, "avx2", Dtype.AUTO),
    ],
)
def test_precision(
    model: EvaluatedModel, method: str, device: Device, cpu: str, expected: Dtype
) -> None:
    """Quantised models, and CPUs that can, stay with the server's rule."""
    model = replace(model, method=method)
    config = EngineConfig(seed=7)
    settled = choose_precision(
        model, config, device=device, cpu_flags=frozenset(cpu.split())
    )
    assert EngineConfig(dtype=expected, seed=7) == settled


def test_users_word(model: EvaluatedModel) -> None:
    """What the user set stands."""
    config = EngineConfig(dtype=Dtype.BFLOAT16)
    model = replace(model, method="")
    assert config == choose_precision(
        model, config, device=Device.CPU, cpu_flags=frozenset()
    )
