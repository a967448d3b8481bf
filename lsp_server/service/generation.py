"""A generation that outlives its request, for as long as a later one waits for it.

An editor asks anew at each key. Where what has been written until then begins with
what was typed, the new request joins the generation; otherwise it would read the prompt
once more to write the same.
"""

import asyncio
from collections.abc import Awaitable, Callable

from lsp_server.outcomes import CompletionResult
from lsp_server.service.request_report import RequestReport
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot

__all__ = ["Generation"]


class Generation:
    """Runs the work for a request in a task, until nobody waits for it any more.

    Args:
        snapshot: The document and the cursor that the work is for.
        report: The report of the request that begins it.
        typed: What is typed at the request's cursor.
        work: Generates; what it is given is all that was typed since ``snapshot``,
            also in later requests.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        report: RequestReport,
        typed: TypedAhead,
        work: Callable[[TypedAhead], Awaitable[CompletionResult]],
    ) -> None:
        """Begin the work."""
        self._snapshot = snapshot
        self._report = report
        self._trace = report.trace
        self._typed = TypedAhead(typed.arrived_s, pace=typed.pace)
        self._typed.type(typed.text)
        self._waiting = 0
        self._task = asyncio.create_task(_await(work, self._typed))
        self._task.add_done_callback(_forget_error)

    @property
    def is_running(self) -> bool:
        """Whether the work has not ended, and is not being ended."""
        return not (self._task.done() or self._task.cancelling())

    async def wait(self, typed: TypedAhead) -> CompletionResult:
        """Wait for the result, as the request that began the work.

        Cancelling the last one that waits cancels the work.

        Raises:
            EngineError: The engine failed.
        """
        return await self._wait(typed, since="")

    def cancel(self) -> None:
        """End the work, unless a request waits for it."""
        if not self._waiting:
            self._task.cancel()

    async def join(
        self, snapshot: Snapshot, *, report: RequestReport, typed: TypedAhead
    ) -> CompletionResult | None:
        """Wait for the result of the earlier request, if a later one goes on from it.

        The tokens of the generation are then reported for the later request, and no
        more for the one before.

        Args:
            snapshot: The document and the cursor of the later request.
            report: Its report.
            typed: What is typed at its cursor.

        Returns:
            The result, for the earlier cursor; None if what was typed in between is
            not what is being written, as far as that goes.
        """
        since = self._typed_before(snapshot)
        if since is None or not self.is_running:
            return None
        self._typed.type(since + typed.text)
        earlier = self._report
        if not any(each.text and each.still_fits() for each in earlier.candidates):
            return None
        self._report = report
        report.candidates, earlier.candidates = earlier.candidates, ()
        earlier.trace = earlier.trace.without_tokens()
        try:
            return await self._wait(typed, since=since)
        finally:
            if self._report is report:
                report.trace.join(self._trace)

    def _typed_before(self, snapshot: Snapshot) -> str | None:
        """Return what was typed from the earlier snapshot to a later one, or None."""
        earlier = self._snapshot
        is_same = (
            snapshot.language_id == earlier.language_id
            and snapshot.offset >= earlier.offset
            and snapshot.text.startswith(earlier.before)
            and snapshot.after == earlier.after
        )
        if not is_same:
            return None
        return with_line_feeds(snapshot.text[earlier.offset : snapshot.offset])

    async def _wait(self, typed: TypedAhead, *, since: str) -> CompletionResult:
        """Wait for the result, and pass on what is typed meanwhile."""
        self._waiting += 1
        try:
            with typed.watched(lambda: self._typed.type(since + typed.text)):
                return await asyncio.shield(self._task)
        except asyncio.CancelledError as error:
            if self._waiting == 1 and self.is_running:
                self._task.cancel(*error.args)
                await asyncio.wait([self._task])
            raise
        finally:
            self._waiting -= 1


async def _await(
    work: Callable[[TypedAhead], Awaitable[CompletionResult]], typed: TypedAhead
) -> CompletionResult:
    """Make a coroutine of any awaitable."""
    return await work(typed)


def _forget_error(task: asyncio.Task[CompletionResult]) -> None:
    """Ignore the error of work that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
