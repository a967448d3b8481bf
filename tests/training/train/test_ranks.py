"""Processes that train together are, to the model, one."""

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from lsp_server.errors import TrainingError
from training.train.__main__ import main
from training.train.config import TrainConfig, read_config
from training.train.data import Position, Rows, RowSource, stream
from training.train.documents import read_shards, write_store
from training.train.loop import RunOptions, train
from training.train.meter import count_targets, sum_losses, to_device
from training.train.network import Decoder
from training.train.optimiser import Optimiser, rate_factor
from training.train.ranks import OneRank

ROOT = Path(__file__).resolve().parents[3]
CPU = torch.device("cpu")

CONFIG = """
[shape]
layers = 1
hidden = 16
heads = 2
kv_heads = 1
head_size = 8
feed_forward = 16
context_tokens = 128
rope_theta = 500.0
norm_epsilon = 1e-6
qk_norm = false

[data]
corpus = "{corpus}"
tokenizer = "{tokenizer}"
apart = false
middle_weight = 4.0
workers = 0
held_out_examples = 1

[data.cuts]
format = "midfill"
fim_share = 0.9
neighbours_share = 0.0
even_lengths = false

[data.cuts.shares]
cursor = 0.5
in_line = 0.0
line = 0.0
block = 0.0
node = 0.25
span = 0.25

[[data.stages]]
until_share = 1.0
row_tokens = 64
shortest_window_tokens = 16
longest_window_tokens = 48

[recipe]
seed = 1
steps = 4
batch_tokens = 512
micro_batch_tokens = 128
muon_rate = 0.02
adam_rate = 0.02
weight_decay = 0.1
momentum = 0.95
warmup_share = 0.1
decay_share = 0.5
clip_norm = 1.0
log_every_steps = 1
held_out_every_steps = 4
checkpoint_every_steps = 3
"""


@pytest.fixture
def config_file(corpus: Path, tokenizer_folder: Path, tmp_path: Path) -> Path:
    """Return the file of a run of four steps on a network of one layer."""
    path = tmp_path / "run.toml"
    text = CONFIG.format(corpus=corpus, tokenizer=tokenizer_folder)
    path.write_text(text, encoding="utf-8")
    return path


def train_as_a_pair(config_file: Path, out: Path) -> str:
    """Train under ``torchrun``, and return what it wrote to stderr."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node=2", "-m", "training.train", str(config_file)),
            *("--out", str(out)),
        ],
        cwd=ROOT,
        # torchrun leaves an empty folder for its logs.
        env=os.environ | {"TMPDIR": str(out.parent)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stderr


def losses(folder: Path) -> list[float]:
    """Return the loss of each step that was logged."""
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]


def union(config: TrainConfig, store: Path, step: int) -> Rows:
    """Return the rows that both processes read in a step."""
    source = RowSource(
        store=store,
        tokenizer=Path(config.data.tokenizer),
        cuts=config.data.cuts,
        seed=config.recipe.seed,
    )
    stage, each = config.data.stages[0], 4
    parts = [
        stream(source, stage, Position(item=at, row=0), workers=0, stride=2)
        for at in (0, 1)
    ]
    rows = [islice(part, step * each, (step + 1) * each) for part in parts]
    return np.stack([row for part in rows for row, _ in part])


def losses_of_one(config: TrainConfig, store: Path) -> list[float]:
    """Take the steps in one process, on the rows of both."""
    torch.manual_seed(config.recipe.seed)
    tokens = 16_384
    network = Decoder(config.shape, vocabulary_size=tokens)
    optimiser = Optimiser(network, config.recipe)
    found: list[float] = []
    for step in range(config.recipe.steps):
        rows = union(config, store, step)
        sums = sum_losses(network, to_device(rows, CPU))
        weights = torch.tensor([1.0, config.data.middle_weight])
        counts = torch.tensor(count_targets(rows))
        loss = (weights * sums).sum() / (weights * counts).sum()
        torch.autograd.backward([loss])
        optimiser.step(rate_factor(step / config.recipe.steps, config.recipe))
        found.append(loss.item())
    return found


def test_two_take_the_steps_of_one(
    config_file: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Losses are those of all rows in one process, and only the first one talks."""
    said = train_as_a_pair(config_file, tmp_path / "pair")
    assert 1 == said.count("weights on 2 x cpu")
    store = tmp_path / "train.bin"
    write_store(store, read_shards(corpus, "train"))
    expected = losses_of_one(read_config(config_file), store)
    assert pytest.approx(expected, rel=2e-3) == losses(tmp_path / "pair")
    assert expected[-1] < expected[0] - 0.3
    # One process cannot take up what two have left: its rows would be others.
    alone = [str(config_file), "--out", str(tmp_path / "pair"), "--resume"]
    assert 1 == main(alone)
    assert "under another configuration" in capsys.readouterr().err


def test_refuses_a_batch_that_cannot_be_shared(
    tiny_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three processes cannot share two pieces; this is reported before all else."""
    monkeypatch.setattr(OneRank, "size", 3)
    options = RunOptions(config=tiny_config, out=tmp_path / "out", device=CPU)
    with pytest.raises(TrainingError, match="3 processes cannot share a batch of 512"):
        train(options, None)  # type: ignore[arg-type]  # nothing is said
    assert not (tmp_path / "out").exists()
