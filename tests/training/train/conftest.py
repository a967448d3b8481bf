"""A corpus of made-up code, and runs that a CPU does in a second."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lsp_server.config import SHIPPED_MODEL
from lsp_server.modelstore.locate import shipped_models
from training.train.config import Cuts, Data, Recipe, Shape, Shares, Stage, TrainConfig

TOKENIZER = shipped_models()[SHIPPED_MODEL]

TINY_SHAPE = Shape(
    layers=2,
    hidden=32,
    heads=4,
    kv_heads=2,
    head_size=8,
    feed_forward=64,
    context_tokens=128,
    rope_theta=500.0,
    norm_epsilon=1e-6,
    qk_norm=False,
)

CUTS = Cuts(
    format="midfill",
    fim_share=0.9,
    neighbours_share=0.0,
    even_lengths=False,
    shares=Shares(cursor=0.4, node=0.3, span=0.3),
)

DOCUMENT = '''"""Counts what passes gate {number}."""

import math


class Gate{number}:
    def __init__(self, width):
        self.width = width
        self.passed = []

    def let_through(self, item, *, size={number}):
        if size > self.width:
            return None
        self.passed.append(item)
        return math.sqrt(size)


def total(gates):
    return sum(len(gate.passed) for gate in gates)
'''


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch on one thread: sums are the same, and tiny products are faster."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tokenizer_folder() -> Path:
    """Return the folder of the shipped model's tokenizer."""
    return TOKENIZER


def write_shard(path: Path, texts: list[str]) -> None:
    """Write a shard as the corpus builder does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for text in texts:
            file.write(
                json.dumps({"text": text, "package": "made-up", "path": "src/gate.py"})
                + "\n"
            )


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Return a folder with twelve documents to train on and three held out."""
    folder = tmp_path / "corpus"
    texts = [DOCUMENT.format(number=number) for number in range(15)]
    write_shard(folder / "train-00000.jsonl.gz", texts[:6])
    write_shard(folder / "train-00001.jsonl.gz", texts[6:12])
    write_shard(folder / "held-out-00000.jsonl.gz", texts[12:])
    return folder


@pytest.fixture
def tiny_config(corpus: Path) -> TrainConfig:
    """Return a run of eight steps on a network of two layers."""
    return TrainConfig(
        shape=TINY_SHAPE,
        data=Data(
            corpus=str(corpus),
            tokenizer=str(TOKENIZER),
            cuts=CUTS,
            apart=False,
            middle_weight=4.0,
            workers=0,
            held_out_examples=2,
            stages=(
                Stage(
                    until_share=0.5,
                    row_tokens=64,
                    shortest_window_tokens=16,
                    longest_window_tokens=48,
                ),
                Stage(
                    until_share=1.0,
                    row_tokens=128,
                    shortest_window_tokens=32,
                    longest_window_tokens=96,
                ),
            ),
        ),
        recipe=Recipe(
            seed=1,
            steps=8,
            batch_tokens=512,
            micro_batch_tokens=256,
            muon_rate=0.02,
            adam_rate=0.02,
            weight_decay=0.1,
            momentum=0.95,
            warmup_share=0.1,
            decay_share=0.5,
            clip_norm=1.0,
            log_every_steps=1,
            held_out_every_steps=4,
            checkpoint_every_steps=3,
        ),
    )
