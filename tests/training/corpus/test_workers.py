"""Work is spread over processes in order, and their errors and deaths are passed on."""

import math
import os
import signal
from concurrent.futures.process import BrokenProcessPool

import pytest

from training.corpus.pipeline import map_in_order


@pytest.mark.parametrize("workers", [1, 2])
def test_keeps_the_order(workers: int) -> None:
    """Every item has its result, at its place."""
    items = list(range(50))
    assert list(map(math.factorial, items)) == list(
        map_in_order(math.factorial, items, workers=workers)
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_passes_errors_on(workers: int) -> None:
    """An error of the function is an error of the caller."""
    with pytest.raises(ValueError, match="factorial"):
        list(map_in_order(math.factorial, [1, -1, 2], workers=workers))


def test_uses_other_processes() -> None:
    """With two workers, this process does not do the work."""
    assert os.getpid() not in set(map_in_order(_process, [1, 2, 3], workers=2))


def test_tells_that_a_worker_was_killed() -> None:
    """A worker that dies is an error, not a wait without end."""
    with pytest.raises(BrokenProcessPool):
        list(map_in_order(_die, [1], workers=2))


def _process(_: int) -> int:
    return os.getpid()


def _die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
