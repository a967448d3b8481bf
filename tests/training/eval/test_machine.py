"""A measurement says what it was made with."""

import platform
import subprocess
from pathlib import Path

import pytest

from training.eval import machine
from training.eval.machine import look_around

ROOT = Path(__file__).parents[3]


def test_looks_around() -> None:
    """Processor, cores and versions are there."""
    found = look_around()
    assert found.cpu
    assert found.cores >= 1
    assert platform.python_version() == found.versions["python"]
    assert {"midfill", "numpy", "tokenizers"} <= found.versions.keys()


@pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="a copy without history has no commit"
)
def test_commit() -> None:
    """The commit is the checkout's, and changes to it are told."""
    asked = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.strip() == (look_around().commit or "").partition("+")[0]


def test_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation has no commit, whatever checkout it lies in."""
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    assert look_around().commit is None
