"""Processes that train one model together, a GPU each.

``torchrun --standalone --nproc-per-node N -m training.train ...`` starts them. Each
works on its own part of every batch; the gradients are added up, so that all take the
same steps. Numbers that steer the run come from the first.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol, TypeVar

import torch
from torch import Tensor, distributed

from lsp_server.errors import TrainingError
from training.train.config import Recipe

__all__ = ["ManyRanks", "OneRank", "Ranks", "check_split", "join_ranks"]

_LONGEST_WAIT = timedelta(minutes=10)
"""For the first process to read the corpus, or to write a checkpoint."""

T = TypeVar("T")


class Ranks(Protocol):
    """What a process knows of the others."""

    @property
    def number(self) -> int:
        """This process; the first is 0, and alone talks and writes."""
        ...

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def first_says(self, value: T) -> T:
        """Give all what the first one calls this with."""
        ...

    def gather(self, value: T) -> list[T]:
        """Give all what each calls this with, in their order."""
        ...

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over all."""
        ...


class OneRank:
    """A process by itself."""

    number = 0
    size = 1

    def first_says(self, value: T) -> T:
        """Give it back."""
        return value

    def gather(self, value: T) -> list[T]:
        """Give it alone."""
        return [value]

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Leave them as they are."""


class ManyRanks:
    """One of several processes; the group must have been initialised."""

    def __init__(self) -> None:
        """Ask the group who this is."""
        self.number = distributed.get_rank()
        self.size = distributed.get_world_size()

    def first_says(self, value: T) -> T:
        """Send it from the first to all."""
        box = [value]
        distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def gather(self, value: T) -> list[T]:
        """Send everyone's to all."""
        # With tensors of bytes in main memory: a GPU would have to be waited for.
        boxes: list[list[T]] = []
        for source in range(self.size):
            box = [value]
            distributed.broadcast_object_list(
                box, src=source, device=torch.device("cpu")
            )
            boxes.append(box)
        return [box[0] for box in boxes]

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Add them up in place, all on the way at once."""
        works = [distributed.all_reduce(each, async_op=True) for each in tensors]
        for work in works:
            if work is not None:
                work.wait()


@contextmanager
def join_ranks(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started, or be alone without it."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield OneRank()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
        timeout=_LONGEST_WAIT,
    )
    try:
        yield ManyRanks()
    finally:
        distributed.destroy_process_group()


def check_split(recipe: Recipe, ranks: Ranks) -> None:
    """Find out whether the processes can share a batch.

    Raises:
        TrainingError: They cannot.
    """
    if recipe.batch_tokens % (recipe.micro_batch_tokens * ranks.size):
        raise TrainingError(
            f"{ranks.size} processes cannot share a batch of {recipe.batch_tokens} "
            f"tokens in pieces of {recipe.micro_batch_tokens}",
            subject="torchrun",
            remedy="Start fewer processes, or make micro_batch_tokens smaller",
        )
