"""Answers from the completion cache, joins what is generated already, or generates."""

from collections.abc import Callable
from dataclasses import replace

from lsp_server.config import CompletionConfig
from lsp_server.context.cursor import CursorContext
from lsp_server.outcomes import Completion, CompletionResult, Reason, Source, Stage
from lsp_server.project.provider import ReadDocument
from lsp_server.service import reasons
from lsp_server.service.completion import CompletionService
from lsp_server.service.completion_cache import (
    CachedAnswer,
    CompletionCache,
    before_typing,
)
from lsp_server.service.generation import Generation
from lsp_server.service.prewarming import Prepare, Prewarmer, nothing_to_prepare
from lsp_server.service.ranking import whole_candidates
from lsp_server.service.request_report import RequestReport
from lsp_server.service.speculation import Speculator
from lsp_server.service.trigger import UNWELCOME, why_unwelcome
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import CompletionScope, Priority, Prompt, Snapshot, Trigger

__all__ = ["CachedCompletionService"]

_OF_THE_MOMENT = frozenset(
    {reasons.BUSY, reasons.DEADLINE, reasons.SUPERSEDED, *UNWELCOME}
)
"""Reasons that say nothing of the next request at the same cursor."""

_NOT_OF_THE_PLACE = frozenset({reasons.BUSY, reasons.SUPERSEDED})
"""Reasons after which nothing is read ahead."""


class CachedCompletionService:
    """Completes snapshots for one connection, which alone sees its cache.

    Args:
        service: Generates.
        config: The limits of a completion.
        may_speculate: Returns whether the engine has time for what nobody has asked
            for.
        is_idle: Returns whether it has nothing to do.
        prepare: Has the context of a place ready before its prompt is read ahead.
    """

    def __init__(
        self,
        service: CompletionService,
        config: CompletionConfig,
        may_speculate: Callable[[], bool] = bool,
        is_idle: Callable[[], bool] = bool,
        prepare: Prepare = nothing_to_prepare,
    ) -> None:
        self._service = service
        self._config = config
        self._cache = CompletionCache()
        self._running: dict[str, Generation] = {}
        self._speculator = Speculator(self._generate_ahead, may_speculate)
        self._prewarmer = Prewarmer(service.read_ahead, is_idle, prepare)

    async def complete(
        self,
        snapshot: Snapshot,
        *,
        request_id: str,
        trigger: Trigger,
        typed: TypedAhead,
    ) -> CompletionResult:
        """Complete at the snapshot's cursor, as `CompletionService.complete` does.

        What the user types through stays offered also where nothing new would be. A
        newer request of the document may join the generation of this one, and cancel
        it then: that does not end the generation.
        """
        report = self._service.report_of(
            snapshot, request_id=request_id, trigger=trigger, typed=typed
        )
        self._prewarmer.cancel()
        self._speculator.changed(snapshot.uri, snapshot.text)
        result = await report.around(lambda: self._complete(snapshot, typed, report))
        if self._config.cache and self._config.speculation and result.completions:
            self._speculator.shown(
                snapshot,
                result.completions[0].text,
                request_id=request_id,
                is_known=lambda target: self._cache.find(target) is not None,
            )
        if result.prompt is not None:
            self._prewarmer.was_read(snapshot)
        elif self._config.prewarm and result.reason not in _NOT_OF_THE_PLACE:
            self._prewarmer.begin(snapshot, request_id)
        return result

    def cursor_rested(self, cursor: Snapshot, request_id: str) -> None:
        """Have an idle engine read the prompt for a place where the cursor rests."""
        if self._config.prewarm:
            self._prewarmer.begin(cursor, request_id)

    def document_changed(self, uri: str, read: ReadDocument | None) -> None:
        """End what is generated ahead if a document leads elsewhere.

        Args:
            uri: The document.
            read: Reads it; None if it was closed.
        """
        if self._config.speculation:
            now = read() if read is not None else None
            self._speculator.changed(uri, None if now is None else now.text)

    def stop(self) -> None:
        """End what is generated ahead."""
        self._speculator.cancel()
        self._prewarmer.cancel()

    def prompt_text(self, prompt: Prompt) -> str:
        """Return a prompt as text, with sentinels by their names."""
        return self._service.prompt_text(prompt)

    async def _complete(
        self, snapshot: Snapshot, typed: TypedAhead, report: RequestReport
    ) -> CompletionResult:
        """Complete from the cache or with the engine, and note it in the report."""
        if not self._config.cache:
            return await self._service.generate(snapshot, typed=typed, report=report)
        answer = await self._cached(snapshot, report)
        if answer is None:
            answer = await self._joined(snapshot, typed, report)
        if answer is not None:
            return answer

        generation = self._begin(snapshot, typed, report)
        self._running[snapshot.uri] = generation
        try:
            return await generation.wait(typed)
        finally:
            self._forget_ended()

    async def _joined(
        self, snapshot: Snapshot, typed: TypedAhead, report: RequestReport
    ) -> CompletionResult | None:
        """Wait for the document's running generation, if the request may join it.

        Returns:
            The rest of what it made; None if it may not, or nothing came of it.
        """
        running = self._running.get(snapshot.uri)
        source: Source | None = Source.JOIN
        if running is None:
            running, source = self._speculator.running_for(snapshot), None
        if running is None or self._wanted(report.trigger) > 1:
            return None
        try:
            result = await running.join(snapshot, report=report, typed=typed)
        finally:
            self._forget_ended()
        if result is None:
            return None
        answer = await self._cached(snapshot, report, source)
        if answer is None:
            return None
        return replace(
            answer, prompt=result.prompt, generated=result.generated, cuts=result.cuts
        )

    async def _cached(
        self, snapshot: Snapshot, report: RequestReport, source: Source | None = None
    ) -> CompletionResult | None:
        """Return what the cache has for a request; None where it has nothing.

        Args:
            snapshot: The document and the cursor.
            report: The request's report.
            source: Where the answer comes from, if that is not where it was kept for.
        """
        is_explicit = report.trigger is Trigger.INVOKED
        found = self._cache.find(snapshot, candidates=self._wanted(report.trigger))
        if found is None or await self._service.why_unsuitable(snapshot) is not None:
            return None
        origin = before_typing(snapshot, found.typed)
        if origin is None:
            return None
        cursor = CursorContext.of(origin)
        if not found.typed and why_unwelcome(cursor, report.trigger) is not None:
            return None
        texts = found.rests(cursor)
        if found.suggestions and not texts:
            return None
        report.trace.source = source or found.answer.source
        report.trace.end(Stage.FILTERS)
        return _result(
            texts if is_explicit else texts[:1],
            snapshot=snapshot,
            report=report,
            scope=found.answer.scope,
            reason=found.answer.reason,
        )

    def _generate_ahead(self, snapshot: Snapshot, request_id: str) -> Generation:
        """Begin a generation for a cursor that nobody has asked at."""
        typed = TypedAhead()
        report = self._service.report_of(
            snapshot,
            request_id=request_id,
            trigger=Trigger.AUTOMATIC,
            typed=typed,
            priority=Priority.SPECULATIVE,
        )

        return self._begin(snapshot, typed, report, Source.SPECULATION)

    def _begin(
        self,
        snapshot: Snapshot,
        typed: TypedAhead,
        report: RequestReport,
        source: Source = Source.CACHE,
    ) -> Generation:
        """Begin a generation whose result is kept as one from this source."""

        async def generate(all_typed: TypedAhead) -> CompletionResult:
            result = await self._service.generate(
                snapshot, typed=all_typed, report=report
            )
            self._keep(snapshot, result, all_typed, source)
            return result

        return Generation(snapshot, report=report, typed=typed, work=generate)

    def _wanted(self, trigger: Trigger) -> int:
        """Return how many candidates a request asks for; 0 takes a part of one, too."""
        return self._config.candidates if trigger is Trigger.INVOKED else 0

    def _forget_ended(self) -> None:
        """Forget the generations that have ended."""
        self._running = {
            uri: each for uri, each in self._running.items() if each.is_running
        }

    def _keep(
        self,
        snapshot: Snapshot,
        result: CompletionResult,
        typed: TypedAhead,
        source: Source,
    ) -> None:
        """Keep a result in the cache, if it holds for later requests too."""
        if not result.in_time or result.reason in _OF_THE_MOMENT:
            return
        if result.scope is None or (result.reason and self._config.temperature):
            return  # nothing was generated, or another try may have more luck
        whole = whole_candidates(result)
        self._cache.keep(
            snapshot,
            CachedAnswer(
                texts=tuple(each.text for each in result.completions),
                scope=result.scope,
                # Those that do not begin with what was typed meanwhile are lost.
                candidates=min(whole, 1) if typed.text else whole,
                source=source,
                reason=result.reason,
            ),
        )


def _result(
    texts: tuple[str, ...],
    *,
    snapshot: Snapshot,
    report: RequestReport,
    scope: CompletionScope | None,
    reason: Reason | None,
) -> CompletionResult:
    """Return the result of a request for which nothing was generated."""
    timings = report.trace.timings()
    completions = tuple(
        Completion(
            completion_id=f"{report.request_id}.{number}"
            if number
            else report.request_id,
            text=text,
            start=snapshot.offset,
            end=snapshot.offset,
            timings=timings,
        )
        for number, text in enumerate(texts)
    )
    return CompletionResult(
        completions=completions, reason=reason, scope=scope, timings=timings
    )
