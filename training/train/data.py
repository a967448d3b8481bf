"""The stream of rows that a model is trained on.

The stream is a function of the seed: item after item, each some documents of a
shuffled pass over the corpus, cut and packed by themselves. So any number of worker
processes gives the same stream, and so does one that starts in its middle.
"""

import multiprocessing
import os
import random
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.train.config import Cuts, Stage
from training.train.documents import DocumentStore
from training.train.examples import Example, ExampleMaker, Role
from training.train.neighbours import neighbours_of

__all__ = ["Position", "RowSource", "Rows", "pack", "stream"]

_DOCUMENTS_PER_ITEM = 64
_OPEN_EXAMPLES = 64
"""Examples that a row's next one is chosen from."""

_ITEMS_AHEAD_PER_WORKER = 3

Rows = npt.NDArray[np.uint16]
"""Shape (rows, 3, row tokens + 1): ids, the role of each as a target, and the number of
its example in the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How much of the stream is used up.

    Attributes:
        item: Items that are used up.
        row: Rows of the next item that are.
    """

    item: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSource:
    """What a process needs to make any item of the stream.

    Attributes:
        store: The file of the texts.
        tokenizer: Folder with ``tokenizer.json``.
        cuts: How windows become examples.
        seed: Decides order and cuts.
    """

    store: Path
    tokenizer: Path
    cuts: Cuts
    seed: int

    def item(self, number: int, stage: Stage) -> Rows:
        """Make the rows of one item."""
        return pack(
            self.examples(number, stage),
            row_tokens=stage.row_tokens,
            pad_id=self.maker().pad_id,
        )

    def examples(self, number: int, stage: Stage) -> list[Example]:
        """Make the examples of one item, in the order in which they are packed."""
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
        """Give what cuts and encodes; a process loads it once."""
        return _open_maker(self.tokenizer, self.cuts)


def pack(examples: list[Example], *, row_tokens: int, pad_id: int) -> Rows:
    """Lay whole examples into rows, best fit first; what stays free is padding.

    A row is one token longer than what the model reads of it, as each token but the
    first is a target. No example is longer than ``row_tokens``.
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
            # The oldest begins a row, so that none waits for ever.
            at = max(fitting, key=lambda n: len(opened[n].tokens)) if used else 0
            example = opened.pop(at)
            end = used + len(example.tokens)
            row[0, used:end] = example.tokens
            row[1, used:end] = example.roles
            used, number = end, number + 1
            # What comes behind, also padding, is of another example.
            row[2, used:] = number
        rows.append(row)
    return np.stack(rows) if rows else np.zeros((0, 3, row_tokens + 1), np.uint16)


def stream(
    source: RowSource, stage: Stage, start: Position, *, workers: int, stride: int = 1
) -> Generator[tuple[Rows, Position], None, None]:
    """Give row after row, shape (3, row tokens + 1), with the position behind it.

    Args:
        source: Where rows come from.
        stage: How windows are cut.
        start: What to skip.
        workers: Processes that work ahead; with none, each row is made when it is due.
        stride: From an item to the next, where several share the stream.
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
    """Make items in other processes, and give them in order."""
    # Forking a process that holds a GPU's context breaks it; spawning is safe anywhere.
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
    # There is a process for each core already.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


@cache
def _open_store(path: Path) -> DocumentStore:
    return DocumentStore(path)


@cache
def _open_maker(tokenizer: Path, cuts: Cuts) -> ExampleMaker:
    return ExampleMaker(tokenizer, cuts)
