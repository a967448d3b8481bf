"""The processes and devices of a run: one process, or several with a GPU each.

``torchrun --standalone --nproc-per-node N -m training.train ...`` starts several. Each
works on its own part of every batch; gradients are summed, so that all take the same
steps. What steers the run is decided by the first process.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from types import MappingProxyType
from typing import Protocol, TypeVar

import torch
from torch import Tensor, distributed

from lsp_server.errors import TrainingError
from training.train.config import Recipe

__all__ = [
    "ManyRanks",
    "OneRank",
    "Ranks",
    "autocast",
    "check_split",
    "join_ranks",
    "peak_flops",
    "this_device",
    "wait_for",
]

_LONGEST_WAIT = timedelta(minutes=10)
"""While the first process reads the corpus or writes a checkpoint, others wait."""

T = TypeVar("T")


class Ranks(Protocol):
    """The processes of a run, seen from one of them."""

    @property
    def number(self) -> int:
        """Number of this process; only process 0 reports and writes files."""
        ...

    @property
    def size(self) -> int:
        """Number of processes."""
        ...

    def broadcast(self, value: T) -> T:
        """Return the value of process 0, in every process."""
        ...

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes in their order, in every process."""
        ...

    def all_reduce(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        ...


class OneRank:
    """A single process."""

    number = 0
    size = 1

    def broadcast(self, value: T) -> T:
        """Return the value."""
        return value

    def gather(self, value: T) -> list[T]:
        """Return the value, as a list of one."""
        return [value]

    def all_reduce(self, tensors: Iterable[Tensor]) -> None:
        """Leave the tensors as they are."""


class ManyRanks:
    """One of several processes; torch's process group must be initialised."""

    def __init__(self) -> None:
        """Read this process' number from the group."""
        self.number = distributed.get_rank()
        self.size = distributed.get_world_size()

    def broadcast(self, value: T) -> T:
        """Return the value of process 0."""
        box = [value]
        distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes in their order."""
        # In main memory: on a GPU it would wait for the computation.
        boxes: list[list[T]] = []
        for source in range(self.size):
            box = [value]
            distributed.broadcast_object_list(
                box, src=source, device=torch.device("cpu")
            )
            boxes.append(box)
        return [box[0] for box in boxes]

    def all_reduce(self, tensors: Iterable[Tensor]) -> None:
        """Sum the tensors in place, concurrently."""
        works = [distributed.all_reduce(each, async_op=True) for each in tensors]
        for work in works:
            if work is not None:
                work.wait()


@contextmanager
def join_ranks(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started; without it there is one."""
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
    """Check that the processes can share a batch evenly.

    Raises:
        TrainingError: They cannot.
    """
    if recipe.batch_tokens % (recipe.micro_batch_tokens * ranks.size):
        raise TrainingError(
            f"{ranks.size} processes cannot share a batch of {recipe.batch_tokens} "
            f"tokens in micro-batches of {recipe.micro_batch_tokens}",
            subject="torchrun",
            remedy="Start fewer processes, or make micro_batch_tokens smaller",
        )


_PEAKS: Mapping[str, float] = MappingProxyType(
    {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12}
)
"""Dense bfloat16 operations per second, from NVIDIA's data sheets; SXM versions."""


def this_device() -> torch.device:
    """Return this process' GPU, or the CPU if there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def peak_flops(device: torch.device) -> float | None:
    """Return the peak of a GPU by its name; None if that is unknown."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for known, peak in _PEAKS.items() if known in name), None)


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context that computes in bfloat16 on a GPU, in float32 on a CPU."""
    if device.type != "cuda":
        return nullcontext()
    return torch.autocast("cuda", torch.bfloat16)


def wait_for(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
