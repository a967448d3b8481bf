"""Kinds of middles are measured one by one, and the same in every run."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from training.train.config import Shares, TrainConfig
from training.train.data import Rows, RowSource
from training.train.documents import read_shards, write_store
from training.train.examples import Role
from training.train.held_out import HeldOutExamples
from training.train.held_out_rows import KindRows, draw_kinds

CPU = torch.device("cpu")


class Oracle(nn.Module):
    """Knows rows by heart, but for the targets that it is told to miss."""

    def __init__(self, rows: Rows, *, misses: Tensor) -> None:
        super().__init__()
        self._targets = {
            tuple(row[0, :-1].tolist()): torch.from_numpy(row[0, 1:].astype(np.int64))
            + miss
            for row, miss in zip(rows, misses.long(), strict=True)
        }

    def forward(self, tokens: Tensor) -> Tensor:
        found = [self._targets[tuple(row.tolist())] for row in tokens]
        return 20.0 * nn.functional.one_hot(torch.stack(found), 16_400).float()


@pytest.fixture
def held_out(corpus: Path, tmp_path: Path, tiny_config: TrainConfig) -> RowSource:
    """Give the documents held out."""
    store = tmp_path / "held-out.bin"
    write_store(store, read_shards(corpus, "held-out"))
    return RowSource(
        store=store,
        tokenizer=Path(tiny_config.data.tokenizer),
        cuts=tiny_config.data.cuts,
        seed=1,
    )


def all_rows(kinds: Mapping[str, KindRows]) -> Rows:
    """Give the rows of all kinds, with suffix and without."""
    both = [(kind.with_suffix, kind.without_suffix) for kind in kinds.values()]
    return np.concatenate([rows for pair in both for rows in pair])


def test_what_is_known_is_right(held_out: RowSource, tiny_config: TrainConfig) -> None:
    """Right middles without their right end are right, but not exact."""
    kinds = draw_kinds(held_out, tiny_config)
    examples, rows = HeldOutExamples(kinds), all_rows(kinds)
    is_end = torch.zeros(len(rows), rows.shape[-1] - 1)
    scores = examples.scores(Oracle(rows, misses=is_end), CPU)
    assert {field.name for field in fields(Shares)} == set(scores)
    for score in scores.values():
        assert (1.0, 1.0, 1.0) == (score.exact, score.right, score.right_without_suffix)
        assert score.loss < 1e-3
    for at, row in enumerate(rows):
        # The end of a middle, where the model has to give it.
        last = int(np.flatnonzero(row[1, 1:] == Role.MIDDLE)[-1])
        is_end[at, last] = int(row[0, 1 + last] == 0)
    missed = examples.scores(Oracle(rows, misses=is_end), CPU)
    for score in missed.values():
        assert (0.0, 1.0, 1.0) == (score.exact, score.right, score.right_without_suffix)
        assert score.end_loss > 10


def test_runs_are_asked_the_same(held_out: RowSource, tiny_config: TrainConfig) -> None:
    """Another format and other shares change how is asked, not what."""
    cuts = replace(
        held_out.cuts,
        format="prefix-first",
        fim_share=0.5,
        even_lengths=True,
        neighbours_share=1.0,
        shares=Shares(span=1.0),
    )
    wide = replace(
        tiny_config.data.stages[-1], longest_window_tokens=48, row_tokens=128
    )
    data = replace(tiny_config.data, stages=(wide,), held_out_examples=4)
    config = replace(tiny_config, data=data)
    other = draw_kinds(replace(held_out, cuts=cuts), config)
    for name, kind in draw_kinds(held_out, config).items():
        asked = other[name]
        assert len(kind.with_suffix) == 4
        assert (kind.without_suffix == asked.without_suffix).all()
        middles = [
            [row[0][row[1] == Role.MIDDLE].tolist() for row in rows]
            for rows in (kind.with_suffix, asked.with_suffix)
        ]
        assert middles[0] == middles[1]
        assert (kind.with_suffix != asked.with_suffix).any()


def test_workers_change_nothing(held_out: RowSource, tiny_config: TrainConfig) -> None:
    """Processes of their own draw what one does."""
    alone = all_rows(draw_kinds(held_out, tiny_config))
    data = replace(tiny_config.data, workers=2)
    shared = draw_kinds(held_out, replace(tiny_config, data=data))
    assert (alone == all_rows(shared)).all()
