"""Measures a network on rows of packages that it is not trained on."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from models.train.config import TrainConfig
from models.train.data import Position, Rows, RowSource, stream
from models.train.device import autocast
from models.train.losses import count_targets, mean_losses, to_device

__all__ = ["HeldOutRows"]

_BATCH_ROWS = 8


class HeldOutRows:
    """Rows cut as in the last stage, every one with middles; always the same."""

    def __init__(self, source: RowSource, config: TrainConfig) -> None:
        """Draw the rows."""
        every = replace(source, fim_share=1.0)
        start = Position(item=0, row=0)
        stage = config.data.stages[-1]
        with closing(stream(every, stage, start, workers=0)) as rows:
            drawn = islice(rows, config.data.held_out_rows)
            self._rows: Rows = np.stack([row for row, _ in drawn])

    @torch.no_grad()
    def losses(
        self,
        network: nn.Module,
        sum_losses: Callable[[nn.Module, Tensor], Tensor],
        device: torch.device,
    ) -> tuple[float, float]:
        """Give the mean loss of context and of middles, in nats per token."""
        sums = torch.zeros(2, device=device)
        for first in range(0, len(self._rows), _BATCH_ROWS):
            rows = self._rows[first : first + _BATCH_ROWS]
            with autocast(device):
                sums += sum_losses(network, to_device(rows, device))
        return mean_losses(sums, count_targets(self._rows))
