"""The rows that a model is trained on, and those that it is measured on.

The stream of training rows is a function of the seed: item after item, each made of
some documents of a shuffled pass over the corpus, cut and packed on its own. So any
number of worker processes gives the same stream, and a run can resume in its middle.

Workers import this module, so it must not import torch.
"""

import multiprocessing
import os
import random
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.train.config import Cuts, Shares, Stage, TrainConfig
from training.train.documents import DocumentStore, neighbours_of
from training.train.examples import Example, ExampleMaker, Role

__all__ = ["KindRows", "Position", "RowSource", "Rows", "draw_kinds", "pack", "stream"]

_DOCUMENTS_PER_ITEM = 64
_OPEN_EXAMPLES = 64
"""Examples among which a row's next one is chosen."""

_ITEMS_AHEAD_PER_WORKER = 3

Rows = npt.NDArray[np.uint16]
"""Shape (rows, 3, row tokens + 1): token ids, their roles as targets, and the number of
their example in the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far the stream was read.

    Attributes:
        item: Items that were read whole.
        row: Rows that were read of the next item.
    """

    item: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSource:
    """What a process needs to make any item of the stream.

    Attributes:
        store: File of the documents.
        tokenizer: Folder with ``tokenizer.json``.
        cuts: How windows become examples.
        seed: Decides the order of documents and the cuts.
    """

    store: Path
    tokenizer: Path
    cuts: Cuts
    seed: int

    def item(self, number: int, stage: Stage) -> Rows:
        """Return the rows of one item."""
        return pack(
            self.examples(number, stage),
            row_tokens=stage.row_tokens,
            pad_id=self.maker().pad_id,
        )

    def examples(self, number: int, stage: Stage) -> list[Example]:
        """Return the examples of one item, in the order in which they are packed."""
        documents = _open_store(self.store)
        maker = self.maker()
        items_per_pass = -(-len(documents) // _DOCUMENTS_PER_ITEM)
        one_pass, at = divmod(number, items_per_pass)
        order = np.random.default_rng([self.seed, one_pass]).permutation(len(documents))
        chosen = order[at * _DOCUMENTS_PER_ITEM : (at + 1) * _DOCUMENTS_PER_ITEM]
        rng = random.Random(f"{self.seed} {number}")  # noqa: S311  # draws cuts only
        has_neighbours = self.cuts.neighbours_share > 0
        examples = [
            example
            for place in map(int, chosen)
            for example in maker.examples(
                documents[place],
                stage,
                rng,
                neighbours_of(documents, place) if has_neighbours else (),
            )
        ]
        rng.shuffle(examples)
        return examples

    def maker(self) -> ExampleMaker:
        """Return what cuts and encodes; each process loads it once."""
        return _open_maker(self.tokenizer, self.cuts)


def pack(examples: list[Example], *, row_tokens: int, pad_id: int) -> Rows:
    """Pack whole examples into rows, best fit first, and pad the rows.

    A row is one token longer than the model's input, as each token but the first is a
    target. No example is longer than ``row_tokens``.
    """
    waiting = deque(examples)
    opened: list[Example] = []
    rows: list[Rows] = []
    while waiting or opened:
        row: Rows = np.zeros((3, row_tokens + 1), np.uint16)
        row[0] = pad_id
        row[1] = Role.NONE
        used, number = 0, 0
        while True:
            while waiting and len(opened) < _OPEN_EXAMPLES:
                opened.append(waiting.popleft())
            room = row_tokens + 1 - used
            fitting = [at for at, e in enumerate(opened) if len(e.tokens) <= room]
            if not fitting:
                break
            # A row begins with the oldest example, so that none is postponed for ever.
            at = max(fitting, key=lambda n: len(opened[n].tokens)) if used else 0
            example = opened.pop(at)
            end = used + len(example.tokens)
            row[0, used:end] = example.tokens
            row[1, used:end] = example.roles
            used, number = end, number + 1
            # What follows, padding included, belongs to another example.
            row[2, used:] = number
        rows.append(row)
    return np.stack(rows) if rows else np.zeros((0, 3, row_tokens + 1), np.uint16)


def stream(
    source: RowSource, stage: Stage, start: Position, *, workers: int, stride: int = 1
) -> Generator[tuple[Rows, Position], None, None]:
    """Yield each row, shape (3, row tokens + 1), with the position after it.

    Args:
        source: Where rows come from.
        stage: How windows are cut.
        start: Position to begin at.
        workers: Processes that prepare items ahead; with 0 this process makes them.
        stride: Difference between the numbers of items; more than 1 if processes share
            the stream.
    """
    items = _ahead(source, stage, start.item, workers, stride) if workers else None
    number, skipped = start.item, start.row
    try:
        while True:
            rows = next(items) if items else source.item(number, stage)
            for at in range(skipped, len(rows)):
                is_last = at + 1 == len(rows)
                behind = (
                    Position(item=number + stride, row=0)
                    if is_last
                    else Position(item=number, row=at + 1)
                )
                yield rows[at], behind
            number, skipped = number + stride, 0
    finally:
        if items:
            items.close()


def _ahead(
    source: RowSource, stage: Stage, first: int, workers: int, stride: int
) -> Generator[Rows, None, None]:
    """Yield items in order that other processes make ahead."""
    # A forked process cannot use the GPU context of its parent; spawning is safe.
    with ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare_worker,
    ) as pool:
        ahead: deque[Future[Rows]] = deque()
        try:
            while True:
                while len(ahead) < workers * _ITEMS_AHEAD_PER_WORKER:
                    ahead.append(pool.submit(source.item, first, stage))
                    first += stride
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _prepare_worker() -> None:
    # The workers use all cores already.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


@cache
def _open_store(path: Path) -> DocumentStore:
    return DocumentStore(path)


@cache
def _open_maker(tokenizer: Path, cuts: Cuts) -> ExampleMaker:
    return ExampleMaker(tokenizer, cuts)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRows:
    """Held-out middles of one kind, one in each row.

    Attributes:
        with_suffix: In the run's format.
        without_suffix: The same middles after their prefix alone, without an end.
    """

    with_suffix: Rows
    without_suffix: Rows


def draw_kinds(source: RowSource, config: TrainConfig) -> Mapping[str, KindRows]:
    """Draw the held-out middles of each kind, with windows of the last stage.

    The middles do not depend on the run's format and shares, so that runs can be
    compared. With workers, every kind is drawn in a process of its own.
    """
    kinds = [field.name for field in fields(Shares)]
    draw = partial(
        _draw_kind,
        source=source,
        stage=config.data.stages[-1],
        wanted=config.data.held_out_examples,
    )
    if not config.data.workers:
        return {kind: draw(kind) for kind in kinds}
    # A forked process cannot use the GPU context of its parent; spawning is safe.
    with ProcessPoolExecutor(
        min(config.data.workers, len(kinds)),
        mp_context=multiprocessing.get_context("spawn"),
    ) as pool:
        return dict(zip(kinds, pool.map(draw, kinds), strict=True))


def _draw_kind(kind: str, *, source: RowSource, stage: Stage, wanted: int) -> KindRows:
    cuts = replace(
        source.cuts,
        fim_share=1.0,
        neighbours_share=0.0,
        even_lengths=False,
        shares=Shares(**{kind: 1.0}),
    )
    every = replace(source, cuts=cuts)
    found: list[Example] = []
    for number in count():
        found += every.examples(number, stage)
        if len(found) >= wanted:
            break
    maker, length = every.maker(), stage.row_tokens
    asked = found[:wanted]
    return KindRows(
        with_suffix=_one_per_row(asked, length, maker),
        without_suffix=_one_per_row(
            [_after_prefix(each, length, maker) for each in asked], length, maker
        ),
    )


def _after_prefix(example: Example, row_tokens: int, maker: ExampleMaker) -> Example:
    """Return the middle after its prefix alone, without an end: none is expected."""
    middle = example.tokens[example.roles == Role.MIDDLE][:-1]
    prefix = "" if example.cut is None else example.cut.prefix
    ids = maker.prompt(prefix, None, most_tokens=row_tokens - len(middle))
    roles = [Role.NONE] * len(ids) + [Role.MIDDLE] * len(middle)
    return Example(
        tokens=np.array([*ids, *middle], np.uint16), roles=np.array(roles, np.uint8)
    )


def _one_per_row(
    examples: Sequence[Example], row_tokens: int, maker: ExampleMaker
) -> Rows:
    rows = [
        pack([example], row_tokens=row_tokens, pad_id=maker.pad_id)
        for example in examples
    ]
    return np.concatenate(rows)
