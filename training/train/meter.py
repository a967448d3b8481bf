"""Measures a run: its time, its losses and its speed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from training.train.config import Shape, Stage
from training.train.device import peak_flops, wait_for
from training.train.log import Measured
from training.train.losses import mean_losses
from training.train.network import flops_per_token
from training.train.ranks import Ranks

__all__ = ["Clock", "Meter"]


class Clock:
    """Seconds of training, those before a resumption included."""

    def __init__(self, *, elapsed_s: float, budget_s: float | None) -> None:
        """Go on from ``elapsed_s``; a run of counted steps has no budget."""
        self.budget_s = budget_s
        self._zero_s = time.monotonic() - elapsed_s

    def seconds(self) -> float:
        """Give the seconds until now."""
        return time.monotonic() - self._zero_s


class Meter:
    """Sums up what happens between two lines of the log."""

    def __init__(
        self,
        shape: Shape,
        *,
        parameters: int,
        middle_weight: float,
        device: torch.device,
        ranks: Ranks,
    ) -> None:
        """Measure a network of this shape and number of parameters."""
        self._shape, self._parameters = shape, parameters
        self._middle_weight, self._device, self._ranks = middle_weight, device, ranks
        self._peak_flops = peak_flops(device)
        self._sums = torch.zeros(2, device=device)
        self._counts = (0, 0)
        self._tokens, self._flops, self._rate_factor = 0, 0.0, 0.0
        self._zero_s = time.monotonic()

    def add_sums(self, sums: Tensor) -> None:
        """Add the losses of some of this process' rows, without waiting for it."""
        self._sums += sums

    def add_step(
        self, counts: tuple[int, int], stage: Stage, *, tokens: int, rate_factor: float
    ) -> None:
        """Add a step of all processes, after its rows."""
        self._counts = self._counts[0] + counts[0], self._counts[1] + counts[1]
        self._tokens += tokens
        self._flops += tokens * flops_per_token(
            self._shape, parameters=self._parameters, row_tokens=stage.row_tokens
        )
        self._rate_factor = rate_factor

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do something whose time does not count as training."""
        wait_for(self._device)
        began_s = time.monotonic()
        yield
        self._zero_s += time.monotonic() - began_s

    def read(self, *, step: int, share: float, tokens: int, clock: Clock) -> Measured:
        """Give what was summed up, and start anew."""
        self._ranks.add_up([self._sums])
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
        self._start_anew()
        return measured

    def _start_anew(self) -> None:
        self._sums = torch.zeros_like(self._sums)
        self._counts = (0, 0)
        self._tokens, self._flops, self._rate_factor = 0, 0.0, 0.0
        self._zero_s = time.monotonic()
