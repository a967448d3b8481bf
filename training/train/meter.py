"""Measures a run: its losses, its time and its speed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.train.config import Shape, Stage
from training.train.data import Rows
from training.train.examples import Role
from training.train.log import Measured
from training.train.network import Mask, flops_per_token
from training.train.ranks import Ranks, peak_flops, wait_for

__all__ = ["Clock", "Meter", "count_targets", "mean_losses", "sum_losses", "to_device"]

# Plain integers: torch.compile compares wrongly with members of an enumeration.
_ROLES = (int(Role.CONTEXT), int(Role.MIDDLE))


def to_device(rows: Rows, device: torch.device) -> Tensor:
    """Return rows, shape (B, 3, T + 1), on the device, as 64-bit integers."""
    return torch.from_numpy(rows.astype(np.int32)).to(device).long()


def count_targets(rows: Rows) -> tuple[int, int]:
    """Return the number of targets that are context, and of those in middles."""
    roles = rows[:, 1, 1:]
    return int((roles == Role.CONTEXT).sum()), int((roles == Role.MIDDLE).sum())


def sum_losses(network: nn.Module, rows: Tensor, mask: Mask | None = None) -> Tensor:
    """Return the cross-entropy in nats, summed by role: context, middle; shape (2,)."""
    targets, roles = rows[:, 0, 1:], rows[:, 1, 1:]
    logits = network(rows[:, 0, :-1], mask)  # (B, T, vocabulary)
    each = functional.cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), reduction="none"
    ).view(targets.shape)
    return torch.stack([(each * (roles == role)).sum() for role in _ROLES])


def mean_losses(sums: Tensor, counts: tuple[int, int]) -> tuple[float, float]:
    """Return both mean losses; the mean of no targets is zero."""
    context, middle = sums.tolist()
    return context / max(counts[0], 1), middle / max(counts[1], 1)


class Clock:
    """Seconds of training, including those before the run was resumed."""

    def __init__(self, *, elapsed_s: float, budget_s: float | None) -> None:
        """Start at ``elapsed_s``; a run that counts steps has no budget."""
        self.budget_s = budget_s
        self._zero_s = time.monotonic() - elapsed_s

    def seconds(self) -> float:
        """Return the seconds until now."""
        return time.monotonic() - self._zero_s


class Meter:
    """Losses and speed between two entries of the log."""

    def __init__(
        self,
        shape: Shape,
        *,
        parameters: int,
        middle_weight: float,
        device: torch.device,
        ranks: Ranks,
    ) -> None:
        """Measure a network of this shape and number of parameters.

        Args:
            shape: The network's sizes.
            parameters: Number of its weights.
            middle_weight: Weight of middles in the loss.
            device: The device that trains.
            ranks: The processes that train.
        """
        self._shape, self._parameters = shape, parameters
        self._middle_weight, self._device, self._ranks = middle_weight, device, ranks
        self._peak_flops = peak_flops(device)
        self._sums = torch.zeros(2, device=device)
        self._counts = (0, 0)
        self._tokens, self._flops, self._rate_factor = 0, 0.0, 0.0
        self._zero_s = time.monotonic()

    def add_sums(self, sums: Tensor) -> None:
        """Add the losses of some of this process' rows, without waiting for a GPU."""
        self._sums += sums

    def add_step(
        self, counts: tuple[int, int], stage: Stage, *, tokens: int, rate_factor: float
    ) -> None:
        """Add a step of all processes, after the losses of its rows."""
        self._counts = self._counts[0] + counts[0], self._counts[1] + counts[1]
        self._tokens += tokens
        self._flops += tokens * flops_per_token(
            self._shape, parameters=self._parameters, row_tokens=stage.row_tokens
        )
        self._rate_factor = rate_factor

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Exclude the time in the ``with`` block from the speed."""
        wait_for(self._device)
        began_s = time.monotonic()
        yield
        self._zero_s += time.monotonic() - began_s

    def read(self, *, step: int, share: float, tokens: int, clock: Clock) -> Measured:
        """Return the means since the last call."""
        self._ranks.all_reduce([self._sums])
        context, middle = mean_losses(self._sums, self._counts)
        seconds = time.monotonic() - self._zero_s
        weights = self._counts[0], self._middle_weight * self._counts[1]
        total = max(sum(weights), 1.0)
        flops_per_s = self._flops / seconds
        peak = self._peak_flops and self._peak_flops * self._ranks.size
        measured = Measured(
            step=step,
            share=share,
            tokens=tokens,
            elapsed_s=clock.seconds(),
            loss=(weights[0] * context + weights[1] * middle) / total,
            middle_loss=middle,
            context_loss=context,
            rate_factor=self._rate_factor,
            tokens_per_s=self._tokens / seconds,
            peak_share=flops_per_s / peak if peak else None,
        )
        self._reset()
        return measured

    def _reset(self) -> None:
        self._sums = torch.zeros_like(self._sums)
        self._counts = (0, 0)
        self._tokens, self._flops, self._rate_factor = 0, 0.0, 0.0
        self._zero_s = time.monotonic()
