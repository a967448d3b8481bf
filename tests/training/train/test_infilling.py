"""A network's greedy answers are judged as those of the server are."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.eval.values import Extent, Task, View
from training.train.config import TrainConfig
from training.train.examples import ExampleMaker
from training.train.infilling import fill_gaps, write_scores

CPU = torch.device("cpu")
LINE = "    return one + two\n"


class Chain(nn.Module):
    """Goes from token to token as it was told, and to the end from any other."""

    def __init__(self, links: dict[int, int], *, end: int, size: int) -> None:
        super().__init__()
        self._next = torch.full((size,), end)
        for before, after in links.items():
            self._next[before] = after

    def forward(self, tokens: Tensor, _mask: object = None) -> Tensor:
        return nn.functional.one_hot(self._next[tokens], len(self._next)).float()


def task(number: int, middle: str = LINE) -> Task:
    """Give a task with prefixes of different lengths."""
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
    """Give prompts that end with a mark at the cursor."""
    cuts = replace(tiny_config.data.cuts, format="marked-cursor")
    return ExampleMaker(tokenizer_folder, cuts)


def chain(maker: ExampleMaker, text: str, *, ends: bool) -> Chain:
    """Give a network that writes ``text`` at the mark."""
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
    found = fill_gaps(network, maker, tasks, context_tokens=128, device=CPU)
    assert exact == found.exact(View.WITH_SUFFIX)
    assert stops == found.stops
    # Without a mark the network ends at once.
    assert 0.0 == found.exact(View.NO_SUFFIX)


def test_answers_are_kept(maker: ExampleMaker, tmp_path: Path) -> None:
    """Every answer is a line, in both views."""
    network = chain(maker, LINE, ends=True)
    found = fill_gaps(network, maker, [task(0)], context_tokens=128, device=CPU)
    write_scores(tmp_path / "a.jsonl", found)
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert ["with suffix", "no suffix"] == [row["view"] for row in rows]
    assert [LINE.rstrip("\n"), ""] == [row["completion"] for row in rows]


def test_prompts_are_clipped(maker: ExampleMaker) -> None:
    """A long file is cut to what the context leaves, on its outer side."""
    network = chain(maker, LINE, ends=True)
    found = fill_gaps(network, maker, [task(400)], context_tokens=64, device=CPU)
    assert 1.0 == found.exact(View.WITH_SUFFIX)
