"""What a run is asked to do, and who hears how it goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from training.eval.values import Task
from training.train.config import TrainConfig
from training.train.log import HeldOut, Infilled, Measured

__all__ = ["Listener", "Order"]


class Listener(Protocol):
    """Hears how the run goes."""

    def say(self, line: str) -> None:
        """Take a line for people."""
        ...

    def measured(self, measured: Measured) -> None:
        """Take a line of the log."""
        ...

    def held_out(self, held_out: HeldOut) -> None:
        """Take a held-out loss."""
        ...

    def infilled(self, infilled: Infilled) -> None:
        """Take what came of a benchmark's gaps."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run to be made.

    Attributes:
        config: The run's configuration.
        out: Folder for the model, the log, the picture and the checkpoint.
        device: What trains, in this process.
        minutes: Time that the run has, getting ready included; None counts steps.
        pause_minutes: Time after which this process stops with a checkpoint, wherever
            the run is; None does not.
        resume: Whether to go on from the checkpoint in ``out``.
        tasks: Gaps that the finished model is asked to fill.
    """

    config: TrainConfig
    out: Path
    device: torch.device
    minutes: float | None = None
    pause_minutes: float | None = None
    resume: bool = False
    tasks: Sequence[Task] = ()
