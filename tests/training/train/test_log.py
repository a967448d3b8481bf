"""The log goes on where a run does."""

import json
from pathlib import Path

import pytest

from lsp_server.errors import TrainingError
from training.train.log import HeldOut, KindScore, TrainingLog


def held_out(step: int) -> HeldOut:
    """Give a line of this step."""
    return HeldOut(
        step=step,
        tokens=step * 10,
        held_out_middle_loss=2.0,
        kinds={
            "line": KindScore(
                loss=2.0, end_loss=1.0, exact=0.1, right=0.2, right_without_suffix=0.1
            )
        },
    )


def test_drops_what_a_resumed_run_does_again(tmp_path: Path) -> None:
    """Lines up to the checkpoint stay, later ones go."""
    log = TrainingLog(tmp_path / "log.jsonl", keep_steps=0)
    for step in range(1, 6):
        log.add(held_out(step))
    again = TrainingLog(tmp_path / "log.jsonl", keep_steps=3)
    again.add(held_out(4))
    assert [1, 2, 3, 4] == [entry["step"] for entry in again.entries()]
    first = (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert {
        "step": 1,
        "tokens": 10,
        "held_out_middle_loss": 2.0,
        "kinds": {
            "line": {
                "loss": 2.0,
                "end_loss": 1.0,
                "exact": 0.1,
                "right": 0.2,
                "right_without_suffix": 0.1,
            }
        },
    } == json.loads(first)


def test_tells_that_it_cannot(tmp_path: Path) -> None:
    """A damaged log is not overwritten, and a missing folder is told."""
    path = tmp_path / "log.jsonl"
    path.write_text("no JSON\n", encoding="utf-8")
    with pytest.raises(TrainingError, match="the log cannot be read"):
        TrainingLog(path, keep_steps=1)
    assert "no JSON\n" == path.read_text(encoding="utf-8")
    with pytest.raises(TrainingError, match="the log cannot be written"):
        TrainingLog(tmp_path / "no" / "log.jsonl", keep_steps=1)
