"""The log continues where a run does, and people see how the run goes."""

import io
import json
from pathlib import Path

import pytest

from lsp_server.errors import TrainingError
from training.train.log import (
    Display,
    HeldOut,
    KindScore,
    Measured,
    TrainingLog,
)


def held_out(step: int) -> HeldOut:
    """Return a line of this step."""
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
    """A damaged log is not overwritten, and a missing folder is reported."""
    path = tmp_path / "log.jsonl"
    path.write_text("no JSON\n", encoding="utf-8")
    with pytest.raises(TrainingError, match="the log cannot be read"):
        TrainingLog(path, keep_steps=1)
    assert "no JSON\n" == path.read_text(encoding="utf-8")
    with pytest.raises(TrainingError, match="the log cannot be written"):
        TrainingLog(tmp_path / "no" / "log.jsonl", keep_steps=1)


MEASURED = Measured(
    step=120,
    share=0.25,
    tokens=15_728_640,
    elapsed_s=100.0,
    loss=2.5,
    middle_loss=2.25,
    context_loss=2.75,
    rate_factor=1.0,
    tokens_per_s=580_123.4,
    peak_share=0.38,
)


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def test_a_line_tells_all() -> None:
    """Loss, speed, share of the peak and time left, each with its unit."""
    stream = io.StringIO()
    display = Display(stream)
    display.held_out(HeldOut(step=100, tokens=1, held_out_middle_loss=2.3, kinds={}))
    display.measured(MEASURED)
    assert (
        " 25.0% | step 120 | 15.7M tokens | loss 2.500 (middles 2.250) | "
        "held-out middles 2.300 | 580,123 tokens/s | 38% of peak | 5:00 left\n"
    ) == stream.getvalue()


def test_a_terminals_line_is_written_over() -> None:
    """No line end follows, and what stays wipes the line first."""
    stream = Terminal()
    display = Display(stream)
    display.measured(MEASURED)
    display.message("saved")
    assert 2 == stream.getvalue().count("\r\x1b[K")
    assert stream.getvalue().endswith("\r\x1b[Ksaved\n")
