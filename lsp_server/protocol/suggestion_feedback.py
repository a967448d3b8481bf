"""Reports what becomes of suggestions: shown, accepted, and still there later.

An editor says only when one was accepted. Whether the text was kept is seen in the
document, which the server follows anyway; of one that was closed, nothing is known.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from lsprotocol import types

from lsp_server.metrics import Feedback, FeedbackEvent, Metrics, NoMetrics
from lsp_server.protocol.inline_completion import CompletionRequest, Place
from lsp_server.text import with_line_feeds

__all__ = ["SuggestionFeedback"]

_REMEMBERED = 256
"""Suggestions, the newest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suggestion:
    """A suggestion in an answer: its text, its place, and the model that wrote it."""

    text: str
    place: Place
    model: str


class SuggestionFeedback:
    """Follows the suggestions of one editor. Needs a running loop.

    Args:
        metrics: Takes what becomes of them.
        kept_after_s: After this many seconds an accepted one is looked for.
    """

    def __init__(
        self, metrics: Metrics | None = None, *, kept_after_s: float = 30.0
    ) -> None:
        """Start without suggestions."""
        self._metrics = metrics or NoMetrics()
        self._kept_after_s = kept_after_s
        self._offered: OrderedDict[str, _Suggestion] = OrderedDict()
        self._timers: set[asyncio.TimerHandle] = set()

    def shown(
        self,
        request: CompletionRequest,
        items: Sequence[types.InlineCompletionItem],
        model: str,
    ) -> None:
        """Count an answer with items as shown, and remember them.

        Editors show the first item; LSP does not tell which were seen.
        """
        if request.place is None or not items:
            return
        for item in items:
            offered = _Suggestion(
                text=str(item.insert_text), place=request.place, model=model
            )
            self._offered[_id_of(item)] = offered
        while len(self._offered) > _REMEMBERED:
            self._offered.popitem(last=False)
        first = self._offered[_id_of(items[0])]
        self._report(FeedbackEvent.SHOWN, first, first.text)

    def accepted(self, completion_id: str, chars: int) -> None:
        """Count the first acceptance of a suggestion, and look for its text later."""
        suggestion = self._offered.pop(completion_id, None)
        if suggestion is None:
            return
        text = suggestion.text[:chars]
        self._report(FeedbackEvent.ACCEPTED, suggestion, text)
        if not text.strip():
            return
        # The timers that are over go when another one comes.
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self._timers = {each for each in self._timers if each.when() > now_s}
        self._timers.add(
            loop.call_later(self._kept_after_s, self._look, suggestion, text)
        )

    def close(self) -> None:
        """Look for nothing any more."""
        for timer in self._timers:
            timer.cancel()

    def _look(self, suggestion: _Suggestion, text: str) -> None:
        """Count whether a text still stands in its document."""
        place = suggestion.place
        document = place.documents.current(place.snapshot.uri)
        if document is None:
            return
        stands = text.strip() in with_line_feeds(document.text)
        event = FeedbackEvent.KEPT if stands else FeedbackEvent.DISCARDED
        self._report(event, suggestion, text)

    def _report(self, event: FeedbackEvent, suggestion: _Suggestion, text: str) -> None:
        self._metrics.feedback(
            Feedback(
                event=event,
                model=suggestion.model,
                language=suggestion.place.snapshot.language_id,
                chars=len(text),
            )
        )


def _id_of(item: types.InlineCompletionItem) -> str:
    """Return the id that an item's command carries."""
    arguments = item.command.arguments if item.command is not None else None
    first = arguments[0] if arguments else None
    return str(first["id"]) if isinstance(first, dict) else ""
