"""Scores are right for networks whose answers are known."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from training.eval.values import Extent, Task, View
from training.train.config import Shares, TrainConfig
from training.train.data import KindRows, Rows, RowSource, draw_kinds
from training.train.documents import read_shards, write_store
from training.train.examples import ExampleMaker, Role
from training.train.scores import HeldOutExamples, answer_tasks, write_scores

CPU = torch.device("cpu")


class Oracle(nn.Module):
    """Knows rows by heart, but for the targets that it is made to miss."""

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
    """Return the documents held out."""
    store = tmp_path / "held-out.bin"
    write_store(store, read_shards(corpus, "held-out"))
    return RowSource(
        store=store,
        tokenizer=Path(tiny_config.data.tokenizer),
        cuts=tiny_config.data.cuts,
        seed=1,
    )


def all_rows(kinds: Mapping[str, KindRows]) -> Rows:
    """Return the rows of all kinds, with suffix and without."""
    both = [(kind.with_suffix, kind.without_suffix) for kind in kinds.values()]
    return np.concatenate([rows for pair in both for rows in pair])


def test_what_is_known_is_right(held_out: RowSource, tiny_config: TrainConfig) -> None:
    """Right middles without their right end are right, but not exact."""
    kinds = draw_kinds(held_out, tiny_config)
    examples, rows = HeldOutExamples(kinds), all_rows(kinds)
    is_end = torch.zeros(len(rows), rows.shape[-1] - 1)
    scores = examples.measure(Oracle(rows, misses=is_end), CPU, step=1, tokens=2).kinds
    assert {field.name for field in fields(Shares)} == set(scores)
    for score in scores.values():
        assert (1.0, 1.0, 1.0) == (score.exact, score.right, score.right_without_suffix)
        assert score.loss < 1e-3
    for at, row in enumerate(rows):
        # The end of a middle, where the model has to give it.
        last = int(np.flatnonzero(row[1, 1:] == Role.MIDDLE)[-1])
        is_end[at, last] = int(row[0, 1 + last] == 0)
    missed = examples.measure(Oracle(rows, misses=is_end), CPU, step=1, tokens=2).kinds
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


CPU = torch.device("cpu")
LINE = "    return one + two\n"


class Chain(nn.Module):
    """Goes from token to token as it is scripted, and to the end from any other."""

    def __init__(self, links: dict[int, int], *, end: int, size: int) -> None:
        super().__init__()
        self._next = torch.full((size,), end)
        for before, after in links.items():
            self._next[before] = after

    def forward(self, tokens: Tensor, _mask: object = None) -> Tensor:
        return nn.functional.one_hot(self._next[tokens], len(self._next)).float()


def task(number: int, middle: str = LINE) -> Task:
    """Return a task with prefixes of different lengths."""
    return Task(
        task_id=f"t{number}",
        category="single-line",
        group=f"g{number}",
        prefix="# long\n" * number + "def add(one, two):\n",
        middle=middle,
        suffix="\n\nadd(1, 2)\n",
        extent=Extent.LINE,
        max_tokens=12,
    )


@pytest.fixture
def maker(tiny_config: TrainConfig, tokenizer_folder: Path) -> ExampleMaker:
    """Return prompts that end with a mark at the cursor."""
    cuts = replace(tiny_config.data.cuts, format="marked-cursor")
    return ExampleMaker(tokenizer_folder, cuts)


def chain(maker: ExampleMaker, text: str, *, ends: bool) -> Chain:
    """Return a network that writes ``text`` at the mark."""
    ids = maker.prompt(text, None, most_tokens=64)[1:]
    # The prompt's last token is the mark.
    mark = maker.prompt("", "", most_tokens=64)[-1]
    links = dict(zip((mark, *ids), ids, strict=False))
    if not ends:
        links[ids[-1]] = ids[0]
    return Chain(links, end=maker.end_id, size=maker.vocabulary_size)


@pytest.mark.parametrize(
    ("text", "ends", "exact", "stops"),
    [
        (LINE, True, 1.0, 1.0),
        (LINE.rstrip("\n"), True, 1.0, 1.0),
        (LINE, False, 1.0, 0.0),
        (LINE + "x = 2\n", True, 1.0, 0.0),
        ("    pass\n", True, 0.0, 1.0),
    ],
)
def test_answers_are_judged(
    maker: ExampleMaker, text: str, *, ends: bool, exact: float, stops: float
) -> None:
    """The line counts up to its end; only the model's own end is a stop."""
    tasks = [task(number) for number in range(4)]
    network = chain(maker, text, ends=ends)
    found = answer_tasks(network, maker, tasks, context_tokens=128, device=CPU)
    assert exact == found.exact(View.WITH_SUFFIX)
    assert stops == found.stops
    # Without a mark the network ends at once.
    assert 0.0 == found.exact(View.NO_SUFFIX)


def test_answers_are_kept(maker: ExampleMaker, tmp_path: Path) -> None:
    """Every answer is a line, in both views."""
    network = chain(maker, LINE, ends=True)
    found = answer_tasks(network, maker, [task(0)], context_tokens=128, device=CPU)
    write_scores(tmp_path / "a.jsonl", found)
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert ["with suffix", "no suffix"] == [row["view"] for row in rows]
    assert [LINE.rstrip("\n"), ""] == [row["completion"] for row in rows]


def test_prompts_are_clipped(maker: ExampleMaker) -> None:
    """A long file is cut to what the context leaves, on its outer side."""
    network = chain(maker, LINE, ends=True)
    found = answer_tasks(network, maker, [task(400)], context_tokens=64, device=CPU)
    assert 1.0 == found.exact(View.WITH_SUFFIX)
