"""Asks the providers for snippets, and chooses among what they find.

Each is asked by itself: one that hangs or fails costs no other. The choice is kept from
key to key, since every other prompt has to be computed anew.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from lsp_server.project.provider import Provider, Query
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot, Snippet

__all__ = ["Found", "Gathering", "choose", "kept_or_better"]

_log = logging.getLogger(__name__)

Found = tuple[tuple[Provider, tuple[Snippet, ...]], ...]
"""What each provider that answered in time has found."""

_NEAR_CHARS = 6_000
"""How much of the document to either side of the cursor is in the prompt already."""

_SAME_SHARE = 0.7
"""Texts are the same if so much of the lines of one stands in the other."""

_LEAST_CHARS = 4
"""Shorter lines, such as a closing bracket, say nothing."""

_BETTER = 1.3
"""A new choice is taken if its score is more than this many times the old one's."""


class Gathering:
    """Asks providers side by side; each that fails is named in the log once."""

    def __init__(self) -> None:
        self._named: set[tuple[str, str]] = set()
        self._busy: dict[str, asyncio.Task[Sequence[Snippet]]] = {}

    async def ask(self, providers: Iterable[Provider], query: Query) -> Found:
        """Return what the providers find, without those that are late or fail.

        A provider that has not answered an earlier query yet is not asked another.
        """
        began_s = asyncio.get_running_loop().time()
        asked = [
            (each, self._begin(each, query))
            for each in providers
            if each.name not in self._busy
        ]
        answers: dict[str, tuple[Snippet, ...] | None] = {}
        # The first to be late goes first, so that no wait lasts longer than it may.
        for provider, task in sorted(asked, key=lambda each: each[0].deadline_ms):
            until_s = began_s + provider.deadline_ms / 1e3
            await _wait([each for _, each in asked], task, until_s)
            answers[provider.name] = self._answer(provider, task)
        return tuple(
            (provider, snippets)
            for provider, _ in asked
            if (snippets := answers[provider.name]) is not None
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

    def _begin(
        self, provider: Provider, query: Query
    ) -> asyncio.Task[Sequence[Snippet]]:
        """Begin to ask a provider."""
        name = provider.name
        task = self._busy[name] = asyncio.create_task(_gather(provider, query))
        task.add_done_callback(lambda _: self._busy.pop(name, None))
        return task

    def _answer(
        self, provider: Provider, task: asyncio.Task[Sequence[Snippet]]
    ) -> tuple[Snippet, ...] | None:
        """Return a provider's answer; None where it is late or fails."""
        if not task.done():
            # Not cancelled: a thread would run on, and another one beside.
            self._name(provider.name, "it does not answer in time")
            task.add_done_callback(_look_at)
            return None
        error = _look_at(task)
        if error is not None:
            self._name(provider.name, type(error).__name__)
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


async def _wait(
    tasks: Iterable[asyncio.Task[Sequence[Snippet]]],
    task: asyncio.Task[Sequence[Snippet]],
    until_s: float,
) -> None:
    """Wait for all tasks, but not longer than for one of them, nor past a moment."""
    if not task.done():
        left_s = max(0.0, until_s - asyncio.get_running_loop().time())
        await asyncio.wait([each for each in tasks if not each.done()], timeout=left_s)


async def _gather(provider: Provider, query: Query) -> Sequence[Snippet]:
    """Ask a provider; what it raises before it awaits anything is the task's too."""
    return await provider.gather(query)


def _look_at(task: asyncio.Task[Sequence[Snippet]]) -> BaseException | None:
    """Return a task's error; asyncio would log one that nobody has looked at."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def choose(found: Found, snapshot: Snapshot, *, most_chars: int) -> tuple[Snippet, ...]:
    """Return the best snippets, scored against each other, within the limits.

    Left out is what stands around the cursor already, and what is nearly the same as a
    better snippet.

    Args:
        found: What the providers have found.
        snapshot: The document and the cursor.
        most_chars: The most code points of all snippets together.
    """
    ranked = sorted(
        (
            replace(
                snippet, score=snippet.score * provider.importance, source=provider.name
            )
            for provider, snippets in found
            for snippet in _within(snippets, provider.budget_chars)
            if snippet.uri != snapshot.uri
        ),
        key=lambda each: (-each.score, each.path, each.text),
    )
    here = snapshot.text[
        max(0, snapshot.offset - _NEAR_CHARS) : snapshot.offset + _NEAR_CHARS
    ]
    seen = [_lines_of(here)]
    chosen: list[Snippet] = []
    left = most_chars
    for snippet in ranked:
        lines = _lines_of(snippet.text)
        if len(snippet.text) > left or not lines or _is_known(lines, seen):
            continue
        seen.append(lines)
        chosen.append(snippet)
        left -= len(snippet.text)
    return tuple(chosen)


def kept_or_better(
    held: Sequence[Snippet], chosen: Sequence[Snippet], found: Found
) -> tuple[Snippet, ...]:
    """Return the held snippets, or a new choice if it is worth another prompt.

    Every other prompt has to be computed anew, so a little better is not enough.

    Args:
        held: The snippets of before.
        chosen: What was chosen now.
        found: What it was chosen from. What providers that are not in it have found
            before counts as it did then.
    """
    answered = {provider.name for provider, _ in found}
    now = {
        (provider.name, each.path, each.text): each.score * provider.importance
        for provider, snippets in found
        for each in snippets
    }
    kept, worth = [], 0.0
    for each in held:
        key = (each.source, each.path, each.text)
        is_known = each.source not in answered
        if is_known or key in now or each.is_lasting:
            kept.append(each)
            worth += each.score if is_known else now.get(key, 0.0)
    is_better = sum(each.score for each in chosen) > worth * _BETTER
    return tuple(chosen if is_better else kept)


def _within(snippets: Iterable[Snippet], chars: int) -> Iterable[Snippet]:
    """Yield the best of a provider's snippets that are within its budget."""
    for snippet in sorted(snippets, key=lambda each: -each.score):
        if len(snippet.text) <= chars:
            chars -= len(snippet.text)
            yield snippet


def _lines_of(text: str) -> frozenset[str]:
    """Return the lines of a text that say something, without their indentation."""
    lines = map(str.strip, with_line_feeds(text).split("\n"))
    return frozenset(line for line in lines if len(line) >= _LEAST_CHARS)


def _is_known(lines: frozenset[str], seen: Sequence[frozenset[str]]) -> bool:
    """Return whether most of some lines stand in one of several texts."""
    return any(len(lines & known) >= _SAME_SHARE * len(lines) for known in seen)
