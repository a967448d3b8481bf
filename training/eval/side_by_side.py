"""Does much of the same work, some of it at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from lsp_server.errors import MidfillError

__all__ = ["side_by_side"]

Item = TypeVar("Item")
Result = TypeVar("Result")


async def side_by_side(
    items: Sequence[Item],
    work: Callable[[int, Item], Awaitable[Result]],
    *,
    at_once: int,
) -> list[Result]:
    """Do ``work`` for each item and its number, and give the results in their order.

    The first failure ends the rest. Cancelling ends all of it.

    Raises:
        MidfillError: One failure of that kind, where several have one cause.
    """
    results: dict[int, Result] = {}

    async def take_turns(waiting: Iterator[tuple[int, Item]]) -> None:
        for number, item in waiting:
            results[number] = await work(number, item)

    try:
        async with asyncio.TaskGroup() as group:
            waiting = iter(enumerate(items))
            for _ in range(at_once):
                group.create_task(take_turns(waiting))
    except BaseExceptionGroup as failures:
        own = failures.subgroup(MidfillError)
        if own is None:
            raise
        raise _first(own) from failures
    return [results[number] for number in range(len(items))]


def _first(failures: BaseExceptionGroup[MidfillError]) -> BaseException:
    """Give the first error that is no group."""
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
