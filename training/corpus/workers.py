"""Does the same with many things, in one process or in several."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

__all__ = ["run_all"]

_In = TypeVar("_In")
_Out = TypeVar("_Out")

_AHEAD = 4
"""Tasks in flight for each worker; their results wait in memory for their turn."""


def run_all(
    function: Callable[[_In], _Out], items: Sequence[_In], *, workers: int
) -> Iterator[_Out]:
    """Give the function's result for each item, in the items' order.

    Args:
        function: A module's function, so that another process finds it.
        items: What to call it with.
        workers: How many processes; one means this one.

    Raises:
        BrokenProcessPool: A worker was killed.
    """
    if workers == 1:
        yield from map(function, items)
        return
    # A fresh interpreter: a fork would copy the locks of this one's threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context)
    try:
        waiting: deque[Future[_Out]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
