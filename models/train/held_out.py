"""Measures a network on packages that it is not trained on, by kind of middle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import count

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.train.config import Shares, TrainConfig
from models.train.data import Rows, RowSource, pack
from models.train.device import autocast
from models.train.examples import Example, ExampleMaker, Role
from models.train.log import KindScore
from models.train.losses import to_device

__all__ = ["HeldOutExamples"]

_BATCH_TOKENS = 32_768


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Rows of one example each, and the same middles behind their prefix alone."""

    with_suffix: Rows
    without_suffix: Rows


class HeldOutExamples:
    """As many examples of each kind, one a row, cut as in the last stage.

    Whatever kinds a run is trained on, whatever its format is, the middles are the
    same; so runs can be compared.
    """

    def __init__(self, source: RowSource, config: TrainConfig) -> None:
        """Draw them."""
        self._kinds: Mapping[str, _Kind] = {
            field.name: _draw(field.name, source, config) for field in fields(Shares)
        }

    def scores(self, network: nn.Module, device: torch.device) -> dict[str, KindScore]:
        """Measure every kind."""
        return {
            name: _score(network, kind, device) for name, kind in self._kinds.items()
        }


def _draw(kind: str, source: RowSource, config: TrainConfig) -> _Kind:
    stage = config.data.stages[-1]
    shares = Shares(**{kind: 1.0})
    # Lengths and format of the run do not decide what is asked, only how.
    cuts = replace(
        source.cuts,
        fim_share=1.0,
        neighbours_share=0.0,
        even_lengths=False,
        shares=shares,
    )
    every = replace(source, cuts=cuts)
    wanted = config.data.held_out_examples
    found: list[Example] = []
    for number in count():
        found += every.examples(number, stage)
        if len(found) >= wanted:
            break
    maker = every.maker()
    length = stage.row_tokens
    return _Kind(
        with_suffix=_rows(found[:wanted], length, maker),
        without_suffix=_rows(
            [_from_the_left(each, length, maker) for each in found[:wanted]],
            length,
            maker,
        ),
    )


def _from_the_left(example: Example, row_tokens: int, maker: ExampleMaker) -> Example:
    """Put the same middle behind its prefix, without end: nothing asks for it."""
    middle = example.tokens[example.roles == Role.MIDDLE][:-1]
    prefix = "" if example.cut is None else example.cut.prefix
    ids = maker.prompt(prefix, None, most_tokens=row_tokens - len(middle))
    return Example(
        tokens=np.array([*ids, *middle], np.uint16),
        roles=np.array([Role.NONE] * len(ids) + [Role.MIDDLE] * len(middle), np.uint8),
    )


def _rows(examples: Sequence[Example], row_tokens: int, maker: ExampleMaker) -> Rows:
    rows = [
        pack([example], row_tokens=row_tokens, pad_id=maker.pad_id)
        for example in examples
    ]
    return np.concatenate(rows)


@torch.no_grad()
def _score(network: nn.Module, kind: _Kind, device: torch.device) -> KindScore:
    losses, hits = _predict(network, kind.with_suffix, device)
    _, hits_left = _predict(network, kind.without_suffix, device)
    is_middle = torch.from_numpy(kind.with_suffix[:, 1, 1:] == Role.MIDDLE)
    is_left = torch.from_numpy(kind.without_suffix[:, 1, 1:] == Role.MIDDLE)
    ends = is_middle & (is_middle.flip(1).cumsum(1).flip(1) == 1)
    return KindScore(
        loss=float(losses[is_middle].mean()),
        end_loss=float(losses[ends].mean()),
        exact=float((hits | ~is_middle).all(1).double().mean()),
        right=float((hits | ~is_middle | ends).all(1).double().mean()),
        right_without_suffix=float((hits_left | ~is_left).all(1).double().mean()),
    )


def _predict(
    network: nn.Module, rows: Rows, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Give each target's loss, and whether it is the likeliest; shapes (B, T)."""
    losses: list[Tensor] = []
    hits: list[Tensor] = []
    at_once = max(_BATCH_TOKENS // rows.shape[-1], 1)
    for first in range(0, len(rows), at_once):
        batch = to_device(rows[first : first + at_once], device)
        targets = batch[:, 0, 1:]
        with autocast(device):
            logits = network(batch[:, 0, :-1])
        each = functional.cross_entropy(
            logits.flatten(0, 1).float(), targets.flatten(), reduction="none"
        )
        losses.append(each.view(targets.shape).cpu())
        hits.append((logits.argmax(-1) == targets).cpu())
    return torch.cat(losses), torch.cat(hits)
