"""A checkpoint is the one before or the new one, and never half of either."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lsp_server.errors import TrainingError
from training.train.checkpoint import (
    Checkpoint,
    fingerprint,
    load_checkpoint,
    save_checkpoint,
)
from training.train.config import TrainConfig
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


def test_gives_back_what_was_saved(tmp_path: Path) -> None:
    """All values come back, and no other file stays."""
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, SAVED)
    found = load_checkpoint(path, expected_fingerprint="a")
    assert torch.equal(SAVED.network["weight"], found.network["weight"])
    assert replace(SAVED, network={}) == replace(found, network={})
    assert [path] == list(tmp_path.iterdir())


def test_a_failure_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full half-way is told, and nothing is lost."""
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, SAVED)

    def fill_the_disk(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fill_the_disk)
    with pytest.raises(TrainingError, match="No space left"):
        save_checkpoint(path, replace(SAVED, step=4))
    assert 3 == load_checkpoint(path, expected_fingerprint="a").step
    assert [path] == list(tmp_path.iterdir())


def test_where_folders_are_does_not_matter(tiny_config: TrainConfig) -> None:
    """A run goes on elsewhere, with more workers, but not cut or shared otherwise."""
    data = tiny_config.data
    here = fingerprint(tiny_config, processes=1)
    elsewhere = replace(data, corpus="x", tokenizer="y", workers=9)
    assert here == fingerprint(replace(tiny_config, data=elsewhere), processes=1)
    cut = replace(data, middle_weight=0.5)
    assert here != fingerprint(replace(tiny_config, data=cut), processes=1)
    assert here != fingerprint(tiny_config, processes=2)
