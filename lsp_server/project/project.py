"""One connection's project: follows the editor, and has snippets ready for its cursor.

Snippets are gathered in the background: when a document is opened or the cursor comes
to another place, and in the pauses between keys. What was gathered is held until it
would be a good deal better anew, so that from key to key the prompt stays the same.
"""

import asyncio
import itertools
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from lsp_server.config import ContextConfig
from lsp_server.project.gathering import Gathering, choose, kept_or_better
from lsp_server.project.open_documents import OpenDocuments
from lsp_server.project.provider import (
    DocumentClosed,
    DocumentOpened,
    Event,
    FoldersChanged,
    Provider,
    Query,
)
from lsp_server.text import count_line_ends
from lsp_server.values import Snapshot, Snippet

__all__ = ["Clean", "Project"]

_log = logging.getLogger(__name__)

_JUMP_LINES = 16
"""A cursor that is so far from where it was gathered for has come to another place."""

_PAUSE_S = 0.4
"""Longer than between two keys of somebody who is typing."""

_AHEAD = 6
"""For so many documents snippets are found before anything is asked in them."""

_MOST_CHARS = 4_000

Clean: TypeAlias = Callable[[Sequence[Snippet]], Awaitable[Sequence[Snippet]]]
"""Returns the snippets that may stand in prompts, without what may not."""

_OFF = ContextConfig(enabled=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """The snippets of a document's prompts.

    Attributes:
        snippets: They themselves.
        line: The cursor's line that they were gathered for last.
    """

    snippets: tuple[Snippet, ...]
    line: int


class Project:
    """Follows one connection's documents, and holds snippets for each of them.

    Nothing is gathered before ``configure``. Needs a running event loop.

    Args:
        providers: Find the snippets.
        pause_s: How long nothing is typed before snippets are gathered anew.
    """

    def __init__(
        self, providers: Sequence[Provider], *, pause_s: float = _PAUSE_S
    ) -> None:
        self._providers = tuple(providers)
        self._pause_s = pause_s
        self._config = _OFF
        self._clean: Clean | None = None
        self._most_chars = _MOST_CHARS
        self._open = OpenDocuments()
        self._held: dict[str, _Held] = {}
        self._changes = 0
        self._cursor: Snapshot | None = None
        self._gathering = Gathering()
        self._task: asyncio.Task[None] | None = None
        self._is_stale = False
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def configure(
        self,
        config: ContextConfig,
        *,
        clean: Clean | None = None,
        most_chars: int = _MOST_CHARS,
    ) -> None:
        """Use these settings; what they switch on learns what is open.

        What they switch off has no folders and nothing to do any more.

        Args:
            config: What is on.
            clean: Makes what is found fit for prompts; None where it is.
            most_chars: The most code points of the snippets of one prompt.
        """
        before, self._config = self._config, config
        self._clean, self._most_chars = clean, most_chars
        self._begin_anew()
        if self._closed:
            return
        for provider in self._providers:
            was_on, is_on = _is_on(before, provider), _is_on(config, provider)
            for event in self._open.state() if is_on and not was_on else ():
                self._send(provider, event)
            if was_on and not is_on:
                self._send(provider, FoldersChanged(folders=()))
        self._after_pause()

    def take(self, event: Event) -> None:
        """Follow an event of the editor, and let the providers follow it."""
        if self._closed:
            return
        self._open.take(event)
        match event:
            case DocumentOpened(uri=uri):
                self._held.pop(uri, None)
                self._cursor = None
            case DocumentClosed(uri=uri):
                self._forget(uri)
            case FoldersChanged():
                self._begin_anew()
        for provider in self._providers:
            if _is_on(self._config, provider):
                self._send(provider, event)
        self._after_pause()

    def snippets_for(self, snapshot: Snapshot) -> tuple[Snippet, ...]:
        """Return what is ready for a cursor, at once; begin to gather what is not."""
        uri = snapshot.uri
        if uri not in self._open:
            return ()
        self._open.use(uri)
        self._cursor = snapshot
        held = self._held.get(uri)
        line = count_line_ends(snapshot.text, snapshot.offset)
        if held is None or abs(line - held.line) >= _JUMP_LINES:
            self._begin()
        else:
            self._after_pause()
        return held.snippets if held is not None else ()

    def path_of(self, uri: str) -> str:
        """Return a document's path in its workspace folder; its name without one."""
        return self._open.path_of(uri)

    async def settle(self) -> None:
        """Gather at once what would be gathered after a pause, and wait for it."""
        await self.gathered()
        self._begin()
        await self.gathered()

    async def gathered(self) -> None:
        """Wait until nothing is being gathered."""
        while self._task is not None:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """End all work in the background. May be called twice."""
        self._closed = True
        self._stop_timer()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._gathering.close()
        for provider in self._providers:
            try:
                await provider.close()
            except Exception as error:  # noqa: BLE001 - the others are closed as well
                name = type(error).__name__
                about = {"provider": provider.name, "error": name}
                _log.warning("context.close_failed", extra=about)

    def _is_active(self, snapshot: Snapshot) -> bool:
        """Return whether snippets are wanted for a document."""
        off = self._config.disabled_languages.split()
        is_on = self._config.enabled and not self._closed
        return is_on and snapshot.language_id not in off

    def _begin_anew(self) -> None:
        """Drop what is held and what is being gathered: it need not be right now."""
        self._held.clear()
        self._changes += 1

    def _send(self, provider: Provider, event: Event) -> None:
        """Send one provider an event."""
        self._gathering.guard(provider, lambda: provider.take(event))

    def _forget(self, uri: str) -> None:
        """Forget a closed document, also as a source of snippets."""
        self._held.pop(uri, None)
        if self._cursor is not None and self._cursor.uri == uri:
            self._cursor = None
        for other, held in self._held.items():
            kept = tuple(each for each in held.snippets if each.uri != uri)
            self._held[other] = replace(held, snippets=kept)

    def _after_pause(self) -> None:
        """Gather when nothing has happened for a while."""
        self._stop_timer()
        if self._config.enabled:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._pause_s, self._begin)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        """Begin to gather for the cursor; while that is under way, note that it moved.

        Where there is no cursor it is for a document that has no snippets yet.
        """
        self._stop_timer()
        if self._task is not None:
            self._is_stale = True
            return
        self._start(self._cursor or next(self._waiting(), None))

    def _start(self, cursor: Snapshot | None) -> None:
        """Start to gather for a cursor, if there is one and snippets are wanted."""
        if cursor is not None and self._is_active(cursor):
            self._task = asyncio.create_task(self._gather(cursor))
            self._task.add_done_callback(self._gathered)

    def _gathered(self, task: asyncio.Task[None]) -> None:
        """Note that the gathering is over, and see what else there is to gather."""
        self._task = None
        if task.cancelled() or self._closed:
            return
        if (error := task.exception()) is not None:
            # Not its text, which could hold some of a document.
            places = "".join(traceback.format_tb(error.__traceback__))
            about = {"error": type(error).__name__, "places": places}
            _log.error("context.failed", extra=about)
        elif (waiting := next(self._waiting(), None)) is not None:
            self._start(waiting)
        elif self._is_stale:
            self._is_stale = False
            self._after_pause()

    def _waiting(self) -> Iterator[Snapshot]:
        """Yield the latest open documents without snippets, the last used one first."""
        cursor = self._cursor
        for uri in itertools.islice(self._open, _AHEAD):
            if uri not in self._held:
                at_cursor = cursor is not None and cursor.uri == uri
                document = cursor if at_cursor else self._open.read(uri)
                if document is not None and self._is_active(document):
                    yield document

    async def _gather(self, cursor: Snapshot) -> None:
        """Gather for a cursor, and hold what is found if it is much better."""
        changes, query = self._changes, self._open.query(cursor)
        asked = [each for each in self._providers if self._may(each, cursor)]
        found = await self._gathering.ask(asked, query)
        if (clean := self._clean) is not None:
            found = tuple([(who, tuple(await clean(each))) for who, each in found])
        rank = partial(choose, found, cursor, most_chars=self._most_chars)
        is_any = any(snippets for _, snippets in found)
        chosen = await asyncio.to_thread(rank) if is_any else ()
        if cursor.uri not in self._open or changes != self._changes:
            return
        # What was closed since is no source.
        chosen = tuple(each for each in chosen if self._is_there(each, query))
        before = held.snippets if (held := self._held.get(cursor.uri)) else ()
        snippets = kept_or_better(before, chosen, found)
        line = count_line_ends(cursor.text, cursor.offset)
        self._held[cursor.uri] = _Held(snippets=snippets, line=line)

    def _is_there(self, snippet: Snippet, query: Query) -> bool:
        """Return whether a snippet's document was not closed since a query."""
        was_open = any(each.uri == snippet.uri for each in query.open_documents)
        return snippet.uri in self._open or not was_open

    def _may(self, provider: Provider, cursor: Snapshot) -> bool:
        """Return whether a provider is on for a document's language."""
        off = self._config.disabled_languages.split()
        is_off = f"{provider.name}:{cursor.language_id}" in off
        return _is_on(self._config, provider) and not is_off


def _is_on(config: ContextConfig, provider: Provider) -> bool:
    """Return whether the settings have a provider switched on."""
    return config.enabled and getattr(config, provider.name) is True
