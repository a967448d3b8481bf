"""Measures a network on packages that it is not trained on, by kind of middle."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.train.data import Rows
from training.train.device import autocast
from training.train.examples import Role
from training.train.held_out_rows import KindRows
from training.train.log import KindScore
from training.train.losses import to_device

__all__ = ["HeldOutExamples"]

_BATCH_TOKENS = 32_768


class HeldOutExamples:
    """Middles of each kind in packages held out, for one network after the other."""

    def __init__(self, kinds: Mapping[str, KindRows]) -> None:
        """Ask these."""
        self._kinds = kinds

    def scores(self, network: nn.Module, device: torch.device) -> dict[str, KindScore]:
        """Measure every kind."""
        return {
            name: _score(network, kind, device) for name, kind in self._kinds.items()
        }


@torch.no_grad()
def _score(network: nn.Module, kind: KindRows, device: torch.device) -> KindScore:
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
    """Return each target's loss, and whether it is the likeliest; shapes (B, T)."""
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
