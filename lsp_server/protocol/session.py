"""One editor's session: its backend, and the requests in flight."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from lsprotocol import types
from pygls.exceptions import JsonRpcInternalError

from lsp_server.outcomes import CompletionResult, Reason, RequestTimings
from lsp_server.project.provider import Event
from lsp_server.protocol.connection_facts import RequestCounts
from lsp_server.protocol.document_limits import DocumentSink, DocumentsOff
from lsp_server.protocol.extensions import Acceptances, offer_of
from lsp_server.protocol.guarded_completion import (
    complete_or_reason,
    why_left_out,
    why_no_place,
)
from lsp_server.protocol.inline_completion import (
    CompletionRequest,
    Place,
    items,
)
from lsp_server.protocol.progress import EngineReporter, failure_news
from lsp_server.protocol.request_trace import (
    TracedRequest,
    request_event,
    trace_values,
)
from lsp_server.protocol.suggestion_feedback import SuggestionFeedback
from lsp_server.service import reasons
from lsp_server.service.backend import Backend, Configurator
from lsp_server.service.debounce import TypingPace
from lsp_server.service.inflight import Inflight
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot

__all__ = ["Session", "TimingsSink"]

_log = logging.getLogger(__name__)


TimingsSink = Callable[[int | str, RequestTimings], None]


class Session:
    """Answers one editor's requests, from ``initialized`` to the end.

    Args:
        configurator: Makes the backend and applies changed settings.
        reporter: Shows the state of the engine.
        warn: Shows a message to the user.
        send_timings: Sends what a completion cost to an editor that asked for it.
        document_off: Receives which documents get no completions.
        feedback: Follows what becomes of the suggestions.
    """

    def __init__(
        self,
        configurator: Configurator,
        reporter: EngineReporter,
        *,
        warn: Callable[[str], None],
        send_timings: TimingsSink,
        document_off: DocumentSink,
        feedback: SuggestionFeedback | None = None,
    ) -> None:
        self._configurator = configurator
        self._reporter = reporter
        self._warn = warn
        self._send_timings = send_timings
        self._off = DocumentsOff(document_off)
        self.counts = RequestCounts()
        self._backend: Backend | None = None
        self._inflight: Inflight[CompletionResult] = Inflight()
        self._pace = TypingPace()
        self._following: dict[str, tuple[Place, TypedAhead]] = {}
        self._feedback = feedback or SuggestionFeedback()
        self._acceptances = Acceptances(self._note_accepted)
        self._offered: dict[tuple[str, int], CompletionRequest] = {}
        self._accepted_at: dict[str, tuple[int, int]] = {}
        self._last: TracedRequest | None = None
        self._warned: set[str] = set()
        self._closing: asyncio.Task[None] | None = None
        self._letting_go: asyncio.Task[None] | None = None

    async def begin(self, options: object) -> None:
        """Make the backend from the editor's options, and start its engine.

        A backend that cannot be made or started is shown to the user like an engine
        that failed: the editor goes on without completions.
        """
        if self._backend is not None or self._closing is not None:
            return
        try:
            self._backend, messages = self._configurator.initialize(options)
            self._warn_once(messages)
            await self._backend.start(self._reporter)
        except Exception as error:  # noqa: BLE001 - the one guard of a session's start
            _log.exception("session.start_failed")
            self._reporter.engine_changed(failure_news(error))

    def project_changed(self, event: Event) -> None:
        """Pass on what happens in the editor; nothing before the backend is made."""
        if self._backend is not None and self._closing is None:
            self._backend.project_changed(event)

    @property
    def enabled(self) -> bool:
        """Whether the settings offer completions at all."""
        return self._backend is None or self._backend.enabled

    def restart_engine(self) -> None:
        """Start the engine again, because the user wants it."""
        if self._backend is not None and self._closing is None:
            self._backend.restart()

    def let_go(self) -> None:
        """Answer every request in flight with no items; do not wait."""
        if self._letting_go is None:
            self._letting_go = asyncio.create_task(self._inflight.close())

    def change_settings(self, settings: object) -> None:
        """Apply changed settings; null, as some editors send it, changes nothing."""
        if self._backend is not None and settings is not None:
            self._warn_once(self._configurator.change(settings))

    async def complete(
        self, request: CompletionRequest
    ) -> list[types.InlineCompletionItem]:
        """Answer a request: with no items where there is nothing to say.

        Nothing to say is: the engine is not ready or failed, the document cannot be
        completed in or has changed in another way than a suggestion would change it,
        or a newer request for the document has come. What came of it is kept for
        ``trace``.
        """
        made: list[types.InlineCompletionItem] = []
        result: CompletionResult | None = None
        reason: Reason | None = reasons.CANCELLED
        try:
            result = await self._result(request)
            made = items(request, result.completions, self._acceptances.offer)
            self._feedback.shown(request, made, result, is_stored=self._is_stored)
            if made:
                self._offered = {offer_of(item): request for item in made}
            reason = None if made else result.reason or why_left_out(request)
        except JsonRpcInternalError:
            reason = reasons.CRASHED
            raise
        finally:
            self.counts.count(result)
            self._last = TracedRequest(
                request=request,
                result=result,
                shown=tuple(str(item.insert_text) for item in made),
                reason=reason,
            )
            self._record(self._last)
        if made:
            for completion in result.completions[:1]:
                self._send_timings(request.message_id, completion.timings)
        self._off.note(request.uri, reason)
        return made

    def document_changed(self, uri: str, *, is_closed: bool) -> None:
        """Supersede the document's request if the change makes its answer useless.

        Call it after every change, and when the document was closed.
        """
        if is_closed:
            self._off.forget(uri)
            self._accepted_at.pop(uri, None)
        else:
            self._pace.key(uri)
        seen = self._feedback.document_changed(uri, is_closed=is_closed)
        if seen is not None:
            self._note_place(seen.completion_id, seen.chars)
        following = self._following.get(uri)
        if following is None:
            return
        place, typed_ahead = following
        typed = place.typed()
        if typed is None:
            self._inflight.supersede(uri)
        else:
            typed_ahead.type(with_line_feeds(typed))

    def trace(self) -> dict[str, object] | None:
        """Return what the last request was and what came of it; None before one."""
        if self._last is None or self._backend is None:
            return None
        return trace_values(self._last, self._backend)

    def accept(self, arguments: Sequence[object]) -> str | None:
        """Log an acceptance; return what is wrong with its arguments, or None."""
        return self._acceptances.accept(arguments)

    def _note_accepted(self, completion_id: str, chars: int) -> None:
        """Count an acceptance that the editor reports.

        After a part of a suggestion the editor goes on to show the rest.
        """
        self._feedback.accepted(completion_id, chars)
        self._note_place(completion_id, chars)

    def _note_place(self, completion_id: str, chars: int) -> None:
        """Note on which line, in which version, a whole suggestion was accepted.

        Lines are counted from the document's end: what stood right of the cursor when
        it was asked for stands right of the suggestion now.
        """
        request = self._offered.get((completion_id, chars))
        if request is None or request.place is None:
            return
        document = request.place.documents.current(request.uri)
        if document is not None:
            below = _lines_below(request.place.snapshot)
            self._accepted_at[request.uri] = (document.version, below)

    async def close(self) -> None:
        """Supersede every request and end the backend; every call waits for the end."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _result(self, request: CompletionRequest) -> CompletionResult:
        """Let the backend complete, until a change makes the answer useless."""
        backend, place = self._backend, request.place
        if place is None:
            return CompletionResult(reason=why_no_place(request))
        if backend is None or self._closing:
            return CompletionResult(reason=reasons.NOT_READY)
        # Changes that came in the same read as the request are there already.
        typed = place.typed()
        if typed is None:
            return CompletionResult(reason=reasons.SUPERSEDED)
        snapshot = place.snapshot
        version, below = self._accepted_at.get(request.uri, (None, 0))
        follows = snapshot.version == version and _lines_below(snapshot) == below
        typed_ahead = TypedAhead(
            place.arrived_s, pace=self._pace, follows_accept=follows
        )
        typed_ahead.type(with_line_feeds(typed))
        following = self._following[request.uri] = (place, typed_ahead)
        try:
            result = await self._inflight.run(
                request.uri,
                lambda: complete_or_reason(backend, place, request, typed_ahead),
            )
        finally:
            if self._following.get(request.uri) is following:
                del self._following[request.uri]
        if result is None:
            _log.debug(
                "completion.superseded", extra={"request_id": request.request_id}
            )
            return CompletionResult(reason=reasons.SUPERSEDED)
        return result

    @property
    def _is_stored(self) -> bool:
        """Whether the settings have requests and suggestions recorded."""
        return self._backend is not None and self._backend.config.telemetry.store

    def _record(self, traced: TracedRequest) -> None:
        """Record a request, if the settings say so and there is where."""
        feedback = self._feedback
        if self._backend is not None and self._is_stored and feedback.has_store:
            feedback.record(
                request_event(
                    traced, self._backend, editor=feedback.editor, at=feedback.now
                )
            )

    async def _close(self) -> None:
        """End the backend once."""
        self._feedback.close()
        await self._inflight.close()
        if self._backend is not None:
            try:
                await self._backend.close()
            except Exception:  # noqa: BLE001 - the end goes on whatever the backend does
                _log.exception("session.close_failed")

    def _warn_once(self, messages: list[str]) -> None:
        """Show each message to the user once."""
        for message in messages:
            if message not in self._warned:
                self._warned.add(message)
                self._warn(message)


def _lines_below(snapshot: Snapshot) -> int:
    """Return how many line ends follow the cursor; one of CR and LF counts twice."""
    text, offset = snapshot.text, snapshot.offset
    return text.count("\n", offset) + text.count("\r", offset)
