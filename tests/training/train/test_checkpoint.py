"""A checkpoint comes back as it was saved, and a failed write leaves the last one."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lsp_server.errors import TrainingError
from training.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.train.data import Position

SAVED = Checkpoint(
    fingerprint="a",
    step=3,
    tokens=300,
    elapsed_s=1.5,
    positions=(Position(item=2, row=7), Position(item=3, row=0)),
    network={"weight": torch.ones(2)},
    optimiser={"muon": []},
)


def test_checkpoint_comes_back(tmp_path: Path) -> None:
    """All values are those saved, and no other file stays."""
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, SAVED)
    found = load_checkpoint(path, expected_fingerprint="a")
    assert torch.equal(SAVED.network["weight"], found.network["weight"])
    assert replace(SAVED, network={}) == replace(found, network={})
    assert [path] == list(tmp_path.iterdir())


def test_a_failure_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full half-way is reported, and nothing is lost."""
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, SAVED)

    def fill_the_disk(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fill_the_disk)
    with pytest.raises(TrainingError, match="No space left"):
        save_checkpoint(path, replace(SAVED, step=4))
    assert 3 == load_checkpoint(path, expected_fingerprint="a").step
    assert [path] == list(tmp_path.iterdir())
