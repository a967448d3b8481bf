"""A run learns, stops in time, and goes on where it was interrupted."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch

from lsp_server.errors import TrainingError
from training.eval.values import Extent, Task
from training.parts import join
from training.train.config import TrainConfig
from training.train.log import HeldOut, Infilled, Measured
from training.train.loop import RunOptions, train

CPU = torch.device("cpu")


class Recorder:
    """Records progress, and interrupts the run after a given step."""

    def __init__(self, *, interrupt_after: int | None = None) -> None:
        self.lines: list[str] = []
        self.losses: dict[int, float] = {}
        self.held: dict[int, HeldOut] = {}
        self.filled: list[Infilled] = []
        self._interrupt_after = interrupt_after

    def message(self, line: str) -> None:
        self.lines.append(line)

    def measured(self, measured: Measured) -> None:
        self.losses[measured.step] = measured.loss
        if measured.step == self._interrupt_after:
            raise KeyboardInterrupt

    def held_out(self, held_out: HeldOut) -> None:
        self.held[held_out.step] = held_out

    def infilled(self, infilled: Infilled) -> None:
        self.filled.append(infilled)


def logged(out: Path) -> list[dict[str, float]]:
    """Return the lines of a run's log."""
    lines = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_loss_falls_and_all_is_saved(tiny_config: TrainConfig, tmp_path: Path) -> None:
    """Held-out losses fall too, and the folder has model, log, picture, checkpoint."""
    config = replace(tiny_config, recipe=replace(tiny_config.recipe, steps=16))
    events = Recorder()
    train(RunOptions(config=config, out=tmp_path / "out", device=CPU), events)
    assert list(range(1, 17)) == list(events.losses)
    assert events.losses[16] < events.losses[1] - 2
    assert (
        events.held[16].held_out_middle_loss < events.held[4].held_out_middle_loss - 1
    )
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"checkpoint.pt", "log.jsonl", "loss.svg", "model", "parts"} == written


def test_weights_are_there_before_they_are_judged(
    tiny_config: TrainConfig, tmp_path: Path
) -> None:
    """A machine that is lost while the model is judged costs no weights."""
    recipe = replace(tiny_config.recipe, steps=2)
    config = replace(tiny_config, recipe=recipe)
    out = tmp_path / "out"

    class Lost(Recorder):
        def held_out(self, held_out: HeldOut) -> None:
            raise KeyboardInterrupt(held_out.step)

    with pytest.raises(KeyboardInterrupt):
        train(RunOptions(config=config, out=out, device=CPU), Lost())
    names = join([out / "parts"], tmp_path / "joined")
    assert "model.safetensors" in names
    for name in names:
        joined = (tmp_path / "joined" / name).read_bytes()
        assert (out / "model" / name).read_bytes() == joined


def test_resumed_run_equals_one_without_interruption(
    tiny_config: TrainConfig, tmp_path: Path
) -> None:
    """Losses are the same to the last bit, and the log has each step once."""
    whole, first, second = Recorder(), Recorder(interrupt_after=5), Recorder()
    train(RunOptions(config=tiny_config, out=tmp_path / "whole", device=CPU), whole)
    options = RunOptions(config=tiny_config, out=tmp_path / "parts", device=CPU)
    with pytest.raises(KeyboardInterrupt):
        train(options, first)
    train(replace(options, resume=True), second)
    # The checkpoint is of step 3.
    assert {step: whole.losses[step] for step in range(4, 9)} == second.losses
    assert {step: whole.losses[step] for step in range(1, 6)} == first.losses
    steps = [
        [entry["step"] for entry in logged(tmp_path / name)]
        for name in ("whole", "parts")
    ]
    assert steps[0] == steps[1]


def test_starts_from_a_trained_model(tiny_config: TrainConfig, tmp_path: Path) -> None:
    """Another run begins with what the first had learnt, and counts from its start."""
    recipe = replace(tiny_config.recipe, steps=16)
    config = replace(tiny_config, recipe=recipe)
    first, second = Recorder(), Recorder()
    run = RunOptions(config=config, out=tmp_path / "first", device=CPU)
    train(run, first)
    begun = replace(config, recipe=replace(recipe, steps=2, seed=recipe.seed + 1))
    weights = tmp_path / "first" / "model"
    run = replace(run, config=begun, out=tmp_path / "second", weights=weights)
    train(run, second)
    assert [1, 2] == list(second.losses)
    assert second.losses[1] < first.losses[1] - 2


def test_a_finished_model_fills_gaps(tiny_config: TrainConfig, tmp_path: Path) -> None:
    """Tasks are asked once, at the end; the log, the listener and a file tell it."""
    task = Task(
        task_id="t",
        category="single-line",
        group="g",
        prefix="import os\n",
        middle="x = 1\n",
        suffix="print(x)\n",
        extent=Extent.LINE,
        max_tokens=4,
    )
    recipe = replace(tiny_config.recipe, steps=2)
    config = replace(tiny_config, recipe=recipe)
    events, out = Recorder(), tmp_path / "out"
    train(RunOptions(config=config, out=out, device=CPU, tasks=[task]), events)
    assert [(2, 1)] == [(each.step, each.tasks) for each in events.filled]
    assert 1 == sum("tasks" in entry for entry in logged(out))
    assert 2 == len((out / "infilled.jsonl").read_text().splitlines())


def test_time_budget_ends_the_run(
    tiny_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock ends the run, however many steps are configured, and rates fall."""
    readings = count()
    monkeypatch.setattr(time, "monotonic", lambda: next(readings) * 0.05)
    minutes = 0.05
    config = replace(
        tiny_config,
        recipe=replace(tiny_config.recipe, steps=10**9, checkpoint_every_steps=10**9),
    )
    out = tmp_path / "out"
    options = RunOptions(config=config, out=out, device=CPU, minutes=minutes)
    train(options, Recorder())
    measured = [entry for entry in logged(out) if "loss" in entry]
    assert 1 <= measured[-1]["share"] < 1.5
    assert measured[-1]["elapsed_s"] < minutes * 60 * 1.5
    assert measured[-1]["rate_factor"] < max(each["rate_factor"] for each in measured)


def test_a_pause_is_no_end(tiny_config: TrainConfig, tmp_path: Path) -> None:
    """A run that is paused at once is whole after it was resumed."""
    options = RunOptions(config=tiny_config, out=tmp_path / "out", device=CPU)
    events = Recorder()
    train(replace(options, pause_minutes=1e-9), events)
    assert not events.losses
    train(replace(options, resume=True), events)
    assert list(range(1, 9)) == list(events.losses)


def test_no_time_for_a_step_is_an_error(
    tiny_config: TrainConfig, tmp_path: Path
) -> None:
    """A budget that getting ready uses up is reported, and nothing is trained."""
    options = RunOptions(
        config=tiny_config, out=tmp_path / "o", device=CPU, minutes=1e-9
    )
    with pytest.raises(TrainingError, match="the time is over before the first step"):
        train(options, Recorder())


def test_a_loss_that_is_no_number_ends_the_run(
    tiny_config: TrainConfig, tmp_path: Path
) -> None:
    """Weights that ran away are not saved."""
    recipe = replace(
        tiny_config.recipe, muon_rate=1e30, adam_rate=1e30, warmup_share=0.0
    )
    options = RunOptions(
        config=replace(tiny_config, recipe=recipe), out=tmp_path / "o", device=CPU
    )
    with pytest.raises(TrainingError, match="the loss is not a number"):
        train(options, Recorder())
    assert not (tmp_path / "o" / "model").exists()


def remove(checkpoint: Path) -> None:
    """Leave no checkpoint."""
    checkpoint.unlink()


def damage(checkpoint: Path) -> None:
    """Leave something else."""
    checkpoint.write_bytes(b"PK nonsense")


def shorten(checkpoint: Path) -> None:
    """Leave the first half."""
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: len(content) // 2])


def empty(checkpoint: Path) -> None:
    """Leave a file of the right kind that lacks nearly all."""
    torch.save({"step": 1}, checkpoint)


def keep(_checkpoint: Path) -> None:
    """Leave it as it is."""


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove, "no readable checkpoint"),
        (damage, "no readable checkpoint"),
        (shorten, "no readable checkpoint"),
        (empty, "no checkpoint of this program"),
        (keep, "under another configuration"),
    ],
    ids=lambda value: getattr(value, "__name__", "message"),
)
def test_refuses_to_resume(
    tiny_config: TrainConfig,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    """A checkpoint that is missing, damaged or of another recipe is not trained on."""
    recipe = replace(tiny_config.recipe, steps=1)
    config = replace(tiny_config, recipe=recipe)
    options = RunOptions(config=config, out=tmp_path / "out", device=CPU)
    train(options, Recorder())
    spoil(options.out / "checkpoint.pt")
    other = replace(config, recipe=replace(recipe, muon_rate=0.5))
    with pytest.raises(TrainingError, match=message):
        train(replace(options, config=other, resume=True), Recorder())
