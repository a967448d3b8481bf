"""Asks the providers, each by itself: one that hangs or fails costs no other."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from lsp_server.project.provider import Provider, Query
from lsp_server.values import Snippet

__all__ = ["Found", "Gathering"]

_log = logging.getLogger(__name__)

Found = tuple[tuple[Provider, tuple[Snippet, ...]], ...]
"""What each provider that answered in time has found."""


class Gathering:
    """Asks providers side by side; each that fails is named in the log once."""

    def __init__(self) -> None:
        """Start with nothing asked."""
        self._named: set[tuple[str, str]] = set()
        self._busy: dict[str, asyncio.Task[Sequence[Snippet]]] = {}

    async def ask(self, providers: Iterable[Provider], query: Query) -> Found:
        """Return what the providers find, without those that are late or fail.

        A provider that has not answered an earlier query yet is not asked another.
        """
        asked = [each for each in providers if each.name not in self._busy]
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(self._answer(each, query)) for each in asked]
        return tuple(
            (provider, snippets)
            for provider, answer in zip(asked, answers, strict=True)
            if (snippets := answer.result()) is not None
        )

    def guard(self, provider: Provider, call: Callable[[], object]) -> None:
        """Call a provider's method; what it raises is logged once."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - one provider must not end the rest
            self._name(provider.name, type(error).__name__)

    async def close(self) -> None:
        """Cancel the providers that still work, and wait for their end."""
        tasks = set(self._busy.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _answer(
        self, provider: Provider, query: Query
    ) -> tuple[Snippet, ...] | None:
        """Return a provider's answer; None where it is late or fails."""
        name = provider.name
        task = asyncio.create_task(_gather(provider, query))
        self._busy[name] = task
        task.add_done_callback(lambda _: self._busy.pop(name, None))
        # Not cancelled when it is late: a thread would run on, and another one beside.
        await asyncio.wait({task}, timeout=provider.deadline_ms / 1e3)
        if not task.done():
            self._name(name, "it does not answer in time")
            task.add_done_callback(_look_at)
            return None
        error = _look_at(task)
        if error is not None:
            self._name(name, type(error).__name__)
            return None
        return tuple(task.result())

    def _name(self, provider: str, what: str) -> None:
        """Name a provider that fails in the log, once for each way of failing.

        Not the error's text, which could hold some of a document.
        """
        if (provider, what) not in self._named:
            self._named.add((provider, what))
            _log.warning(
                "context.provider_failed", extra={"provider": provider, "what": what}
            )


async def _gather(provider: Provider, query: Query) -> Sequence[Snippet]:
    """Ask a provider; what it raises before it awaits anything is the task's too."""
    return await provider.gather(query)


def _look_at(task: asyncio.Task[Sequence[Snippet]]) -> BaseException | None:
    """Return a task's error; asyncio would log one that nobody has looked at."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()
