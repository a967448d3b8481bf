"""Reports one request to the metrics and the log when it ends, however it ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lsp_server.errors import DeadlinePassedError, OverloadedError
from lsp_server.metrics import Metrics, Outcome, Refusal, RequestRecord, Route
from lsp_server.outcomes import (
    Completion,
    CompletionResult,
    Ending,
    Reason,
    RequestTimings,
)
from lsp_server.postprocess.pipeline import Outcome as TextOutcome
from lsp_server.service import reasons
from lsp_server.service.inflight import SUPERSEDED
from lsp_server.telemetry import RequestTrace
from lsp_server.values import CompletionScope, Priority, Trigger

if TYPE_CHECKING:
    from lsp_server.service.candidates import Candidate

__all__ = ["RequestReport", "log_done", "log_reason"]

_log = logging.getLogger(__name__)

_PRIORITIES = {
    Trigger.INVOKED: Priority.EXPLICIT,
    Trigger.AUTOMATIC: Priority.AUTOMATIC,
}

_OUTCOMES = {
    Ending.SHOWN: Outcome.COMPLETED,
    Ending.EMPTY: Outcome.EMPTY,
    Ending.SUPERSEDED: Outcome.SUPERSEDED,
    Ending.CANCELLED: Outcome.CANCELLED,
    Ending.FAILED: Outcome.FAILED,
}


class RequestReport:
    """Reports a request at the end of a ``with`` block.

    Args:
        metrics: Takes the report.
        request_id: The request's id in the log and in the engine.
        route: Where it came in.
        model: The name of the model that is asked.
        language: The document's language id.
        trigger: Who asked.
        trace: Measures its times.
        priority: How urgent it is; None for what the trigger makes it.

    Attributes:
        request_id: The same.
        route: The same.
        trigger: The same.
        trace: The same.
        priority: How urgent it is.
        candidates: What is generated, once that has begun.
        result: The result; None where the block ended without one.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        request_id: str,
        route: Route,
        model: str,
        language: str,
        trigger: Trigger,
        trace: RequestTrace,
        priority: Priority | None = None,
    ) -> None:
        self.request_id = request_id
        self.route = route
        self.trigger = trigger
        self.trace = trace
        self.priority = _PRIORITIES[trigger] if priority is None else priority
        self.candidates: Sequence[Candidate] = ()
        self.result: CompletionResult | None = None
        self._metrics = metrics
        self._model = model
        self._language = language

    async def around(
        self, work: Callable[[], Awaitable[CompletionResult]]
    ) -> CompletionResult:
        """Report the work for the request, however it ends; an overload is a result."""
        with self:
            try:
                result = await work()
            except OverloadedError as error:
                is_late = isinstance(error, DeadlinePassedError)
                refusal = Refusal.LATE if is_late else Refusal.OVERLOADED
                self._metrics.request_refused(self.route, refusal)
                log_reason(self.request_id, reasons.BUSY)
                result = CompletionResult(reason=reasons.BUSY)
            self.result = result = replace(result, model=self._model)
        return result

    def __enter__(self) -> Self:
        """Return the report."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Report the request; an error goes on."""
        outcome, reason = self._outcome(error)
        self._metrics.request_done(
            RequestRecord(
                request_id=self.request_id,
                route=self.route,
                model=self._model,
                language=self._language,
                outcome=outcome,
                reason=reason,
                trigger=self.trigger,
                timings=self.trace.timings(),
                saved_tokens=(
                    0
                    if outcome is Outcome.FAILED
                    else sum(each.unspent_tokens for each in self.candidates)
                ),
                stopped=tuple(
                    (each.stop_cause, each.unspent_tokens)
                    for each in self.candidates
                    if each.stop_cause is not None
                ),
            )
        )

    def _outcome(self, error: BaseException | None) -> tuple[Outcome, str]:
        """Return how the request ended, and the word of the reason if it is empty."""
        if isinstance(error, asyncio.CancelledError):
            if SUPERSEDED in error.args:
                return Outcome.SUPERSEDED, ""
            return Outcome.CANCELLED, ""
        if self.result is None:
            return Outcome.FAILED, ""
        reason = self.result.reason
        if reason is None:
            return Outcome.COMPLETED, ""
        return _OUTCOMES[reason.ending], reason.word


def log_reason(request_id: str, reason: Reason) -> None:
    """Log why nothing is generated, or why a generation was broken off."""
    _log.debug(
        "completion.note", extra={"request_id": request_id, "reason": reason.word}
    )


def log_done(
    request_id: str,
    text_outcome: TextOutcome | None,
    timings: RequestTimings,
    scope: CompletionScope,
    completions: Sequence[Completion],
) -> None:
    """Log the result in counts and times, never the text."""
    _log.info(
        "completion.done",
        extra={
            "request_id": request_id,
            "scope": scope.value,
            "candidates": len(completions),
            "chars": len(completions[0].text) if completions else 0,
            "dropped_by": text_outcome.dropped_by if text_outcome else "superseded",
            "changed_by": ",".join(text_outcome.changed_by) if text_outcome else "",
            "ttft_ms": None if timings.ttft_ms is None else round(timings.ttft_ms, 1),
            "total_ms": round(timings.total_ms, 1),
            "prompt_tokens": timings.prompt_tokens,
            "cached_tokens": timings.cached_tokens,
            "output_tokens": timings.output_tokens,
        },
    )
