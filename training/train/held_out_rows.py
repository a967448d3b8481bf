"""Draws middles from packages that a run is not trained on, by kind.

Whatever kinds a run is trained on, whatever its format is, the middles are the same; so
runs can be compared.
"""

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import count

import numpy as np

from training.train.config import Shares, Stage, TrainConfig
from training.train.data import Rows, RowSource, pack
from training.train.examples import Example, ExampleMaker, Role

__all__ = ["KindRows", "draw_kinds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRows:
    """Middles of one kind, one a row.

    Attributes:
        with_suffix: As the run's format asks for them.
        without_suffix: The same middles behind their prefix alone, without an end.
    """

    with_suffix: Rows
    without_suffix: Rows


def draw_kinds(source: RowSource, config: TrainConfig) -> Mapping[str, KindRows]:
    """Draw as many of each kind as the run's file says, cut as in its last stage.

    With workers, every kind has a process of its own.
    """
    kinds = [field.name for field in fields(Shares)]
    draw = partial(
        _draw,
        source=source,
        stage=config.data.stages[-1],
        wanted=config.data.held_out_examples,
    )
    if not config.data.workers:
        return {kind: draw(kind) for kind in kinds}
    # Forking a process that holds a GPU's context breaks it; spawning is safe anywhere.
    with ProcessPoolExecutor(
        min(config.data.workers, len(kinds)),
        mp_context=multiprocessing.get_context("spawn"),
    ) as pool:
        return dict(zip(kinds, pool.map(draw, kinds), strict=True))


def _draw(kind: str, *, source: RowSource, stage: Stage, wanted: int) -> KindRows:
    # Lengths and format of the run do not decide what is asked, only how.
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
        with_suffix=_rows(asked, length, maker),
        without_suffix=_rows(
            [_from_the_left(each, length, maker) for each in asked], length, maker
        ),
    )


def _from_the_left(example: Example, row_tokens: int, maker: ExampleMaker) -> Example:
    """Put the same middle behind its prefix, without end: nothing asks for it."""
    middle = example.tokens[example.roles == Role.MIDDLE][:-1]
    prefix = "" if example.cut is None else example.cut.prefix
    ids = maker.prompt(prefix, None, most_tokens=row_tokens - len(middle))
    roles = [Role.NONE] * len(ids) + [Role.MIDDLE] * len(middle)
    return Example(
        tokens=np.array([*ids, *middle], np.uint16), roles=np.array(roles, np.uint8)
    )


def _rows(examples: Sequence[Example], row_tokens: int, maker: ExampleMaker) -> Rows:
    rows = [
        pack([example], row_tokens=row_tokens, pad_id=maker.pad_id)
        for example in examples
    ]
    return np.concatenate(rows)
