"""Follows what becomes of suggestions: shown, accepted, and still there later.

An editor says at most that one was accepted, by the item's command; where it never runs
a command, the document's changes say it. Whether the text was kept is seen in the
document, which the server follows anyway; of one that was closed, nothing is known.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from lsprotocol import types

from lsp_server.history.events import RequestEvent, SuggestionEvent
from lsp_server.history.store import EventStore
from lsp_server.metrics import Feedback, FeedbackEvent, Metrics, NoMetrics
from lsp_server.outcomes import CompletionResult, Source
from lsp_server.protocol.acceptance import AcceptanceWatch, Accepted, kept_chars
from lsp_server.protocol.documents import Documents
from lsp_server.protocol.extensions import offer_of
from lsp_server.protocol.inline_completion import CompletionRequest
from lsp_server.text import with_line_feeds

__all__ = ["SuggestionFeedback", "Timer"]

_REMEMBERED = 256
"""Suggestions, the newest ones; and as many that were accepted."""
_LONG_AFTER_S = 600.0
_Events = tuple[FeedbackEvent, FeedbackEvent]
_SOON: _Events = (FeedbackEvent.KEPT, FeedbackEvent.DISCARDED)
_LONG: _Events = (FeedbackEvent.LONG_KEPT, FeedbackEvent.LONG_DISCARDED)
_KEPT_SHARE = 0.5
"""A text of which more than this share still stands is kept."""


class Timer(Protocol):
    """What a call at a later time returns."""

    def cancel(self) -> None:
        """Do not call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suggestion:
    """A suggestion in an answer; its place without the document's text."""

    completion_id: str
    text: str
    uri: str
    start: int
    documents: Documents
    model: str
    language: str
    source: Source
    is_stored: bool
    accepted_chars: int = 0


class SuggestionFeedback:
    """Follows the suggestions of one editor. Needs a running loop.

    Args:
        metrics: Takes what becomes of them.
        store: The user's record, which takes the same; None records nothing.
        kept_after_s: Seconds until an accepted one is looked for; again at ten minutes.
        later: Calls something after so many seconds; None for the loop's clock.
        now: Returns the time of the wall clock.

    Attributes:
        editor: The client's name, for the record.
    """

    def __init__(
        self,
        metrics: Metrics | None = None,
        *,
        store: EventStore | None = None,
        kept_after_s: float = 30.0,
        later: Callable[[float, Callable[[], None]], Timer] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.editor = ""
        self._metrics = metrics or NoMetrics()
        self._store = store
        self._kept_after_s = kept_after_s
        self._later = later or _by_the_loop
        self._now = now
        self._offered: OrderedDict[str, _Suggestion] = OrderedDict()
        self._accepted: OrderedDict[str, _Suggestion] = OrderedDict()
        self._newest: _Suggestion | None = None
        self._watch = AcceptanceWatch()
        self._runs_commands = False
        self._timers: dict[tuple[str, FeedbackEvent], Timer] = {}
        self._looks: set[asyncio.Task[None]] = set()

    @property
    def now(self) -> datetime:
        """The time for the record."""
        return self._now()

    @property
    def has_store(self) -> bool:
        """Whether there is a record to write to."""
        return self._store is not None

    def record(self, event: RequestEvent | SuggestionEvent) -> None:
        """Write an event into the user's record, if there is one."""
        if self._store is not None:
            self._store.add(event)

    def shown(
        self,
        request: CompletionRequest,
        items: Sequence[types.InlineCompletionItem],
        result: CompletionResult,
        *,
        is_stored: bool = False,
    ) -> None:
        """Count an answer with items as shown, and remember them.

        Editors show the first item; LSP does not tell which were seen. The rest of one
        that the user types through was shown before.

        Args:
            request: The request.
            items: The items in its answer.
            result: What they were made of.
            is_stored: Whether the settings have them recorded.
        """
        place = request.place
        if place is None or not items:
            return
        snapshot = place.snapshot
        made = [
            _Suggestion(
                completion_id=offer_of(item)[0],
                text=str(item.insert_text),
                uri=snapshot.uri,
                start=request.selected_start,
                documents=place.documents,
                model=result.model,
                language=snapshot.language_id,
                source=result.completions[0].timings.source,
                is_stored=is_stored,
            )
            for item in items
        ]
        for offered in made:
            self._offered[offered.completion_id] = offered
        _shorten(self._offered)
        if not self._runs_commands:
            self._watch.shown(
                place,
                [(each.completion_id, each.text) for each in made],
                skipped=snapshot.offset - request.selected_start,
            )
        if not self._is_rest(made[0], snapshot.text):
            self._report(FeedbackEvent.SHOWN, made[0], len(made[0].text))
        self._newest = made[0]

    def _is_rest(self, made: _Suggestion, document: str) -> bool:
        """Return whether a suggestion is what is left of the newest one by typing.

        What is left after a part was accepted is a suggestion of its own.
        """
        newest = self._newest
        if newest is None or newest.completion_id in self._accepted:
            return False
        typed = document[newest.start : made.start]
        return newest.uri == made.uri and newest.text == typed + made.text

    def document_changed(self, uri: str, *, is_closed: bool = False) -> Accepted | None:
        """Return what a change of a document accepts, having counted it.

        Nothing is looked for in an editor that has run an item's command: it says what
        it accepts.
        """
        if is_closed or self._runs_commands:
            self._watch.forget(uri)
            return None
        seen = self._watch.changed(uri)
        if seen is not None:
            self._take(seen.completion_id, seen.chars)
        return seen

    def accepted(self, completion_id: str, chars: int) -> None:
        """Count an acceptance that the editor reports, and look for its text later.

        Args:
            completion_id: The item's id.
            chars: How much of the item was accepted so far, from its beginning.
        """
        self._runs_commands = True
        self._take(completion_id, chars)

    def close(self) -> None:
        """Look for nothing any more."""
        for timer in self._timers.values():
            timer.cancel()
        for look in self._looks:
            look.cancel()
        self._timers.clear()

    def _take(self, completion_id: str, chars: int) -> None:
        """Count the first acceptance of a suggestion, or that more of it was taken."""
        before = self._accepted.get(completion_id)
        offered = before or self._offered.pop(completion_id, None)
        if offered is None or (before and chars <= before.accepted_chars):
            return
        taken = replace(offered, accepted_chars=min(chars, len(offered.text)))
        self._accepted[completion_id] = taken
        _shorten(self._accepted)
        if before is not None:
            more = taken.accepted_chars - before.accepted_chars
            if more:
                self._report(FeedbackEvent.EXTENDED, taken, more)
            return
        self._report(FeedbackEvent.ACCEPTED, taken, taken.accepted_chars)
        if taken.accepted_chars < len(taken.text):
            self._report(FeedbackEvent.PARTLY_ACCEPTED, taken, taken.accepted_chars)
        if taken.text[:chars].strip():
            self._look_later(completion_id, self._kept_after_s, _SOON)
            self._look_later(completion_id, _LONG_AFTER_S, _LONG)

    def _look_later(self, completion_id: str, after_s: float, events: _Events) -> None:
        """Have an accepted text looked for, and what was found reported."""
        self._timers[completion_id, events[0]] = self._later(
            after_s, lambda: self._look(completion_id, events)
        )

    def _look(self, completion_id: str, events: _Events) -> None:
        """Look for what was accepted of a suggestion, in a thread."""
        self._timers.pop((completion_id, events[0]), None)
        suggestion = self._accepted.get(completion_id)
        if suggestion is None:
            return
        document = suggestion.documents.current(suggestion.uri)
        if document is not None:
            look = asyncio.create_task(self._judge(suggestion, document.text, events))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    async def _judge(
        self, suggestion: _Suggestion, document: str, events: _Events
    ) -> None:
        """Report how much of an accepted text stands in its document."""
        text = with_line_feeds(suggestion.text)[: suggestion.accepted_chars]
        kept = await asyncio.to_thread(kept_chars, text, document)
        of_chars = len("".join(text.split()))  # without blanks, as in `kept`
        is_kept = kept > _KEPT_SHARE * of_chars
        self._report(events[0 if is_kept else 1], suggestion, kept, of_chars)

    def _report(
        self,
        event: FeedbackEvent,
        suggestion: _Suggestion,
        chars: int,
        of_chars: int | None = None,
    ) -> None:
        """Report what became of a suggestion."""
        self._metrics.feedback(
            Feedback(
                event=event,
                model=suggestion.model,
                language=suggestion.language,
                source=suggestion.source,
                chars=chars,
            )
        )
        if suggestion.is_stored:
            self.record(
                SuggestionEvent(
                    at=self._now(),
                    id=suggestion.completion_id,
                    editor=self.editor,
                    language=suggestion.language,
                    model=suggestion.model,
                    source=suggestion.source.value,
                    event=event.value,
                    chars=chars,
                    of_chars=len(suggestion.text) if of_chars is None else of_chars,
                )
            )


def _by_the_loop(after_s: float, call: Callable[[], None]) -> Timer:
    """Call something after so many seconds of the loop's clock."""
    return asyncio.get_running_loop().call_later(after_s, call)


def _shorten(remembered: OrderedDict[str, _Suggestion]) -> None:
    """Forget all but the newest."""
    while len(remembered) > _REMEMBERED:
        remembered.popitem(last=False)
