"""Lets the latest request of a document win.

This module does not know what the work is. It knows that an editor which asks anew
for a document has no use for the answer to its older question.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["SUPERSEDED", "Inflight"]

SUPERSEDED = "superseded"
"""The message of the cancellation of work that a newer request has superseded."""

T = TypeVar("T")


class Inflight(Generic[T]):
    """Runs work, at most one piece for each document that still matters.

    The work runs in a task of its own, so that whoever waits for it is let go at once
    while the work is still being taken back in the engine.
    """

    def __init__(self) -> None:
        self._latest: dict[str, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[T]] = set()

    @property
    def tasks(self) -> int:
        """How many pieces of work run or are being taken back."""
        return len(self._tasks)

    async def run(self, document: str, work: Callable[[], Awaitable[T]]) -> T | None:
        """Run ``work`` as the latest request of ``document``.

        None comes back at once when a newer request takes its place; its work is
        cancelled then, as it is when the caller is cancelled. What the work raises is
        raised here.
        """
        self.supersede(document)
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._latest[document] = over
        task = asyncio.create_task(_await(work))
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, over))
        try:
            # One future for both ends: `asyncio.wait` takes several times as long.
            await over
            return await task if self._latest.get(document) is over else None
        finally:
            is_superseded = self._latest.get(document) is not over
            task.cancel(SUPERSEDED if is_superseded else None)
            if not is_superseded:
                del self._latest[document]

    async def close(self) -> None:
        """Cancel everything, and wait until it is taken back."""
        for document in list(self._latest):
            self.supersede(document)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def supersede(self, document: str) -> None:
        """Let go whoever waits for the document's request, and cancel its work."""
        over = self._latest.pop(document, None)
        if over is not None and not over.done():
            over.set_result(None)

    def _ended(self, task: asyncio.Task[T], over: asyncio.Future[None]) -> None:
        """Forget a task; an error that nobody waits for any more is forgotten too."""
        self._tasks.discard(task)
        if not over.done():
            over.set_result(None)
        if not task.cancelled():
            task.exception()


async def _await(work: Callable[[], Awaitable[T]]) -> T:
    """Make a coroutine of any awaitable."""
    return await work()
