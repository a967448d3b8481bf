"""Completes a snapshot: choose the scope, build the prompt, generate, post-process."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType

from lsp_server.config import CompletionConfig
from lsp_server.context.cursor import CursorContext
from lsp_server.engine.base import Engine
from lsp_server.metrics import Metrics, NoMetrics, Route
from lsp_server.outcomes import (
    Completion,
    CompletionResult,
    Reason,
    RequestTimings,
    Stage,
)
from lsp_server.postprocess.pipeline import Outcome
from lsp_server.postprocess.scope import StopRule
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.prompt.tokenizer import StreamDecoder, Tokenizer
from lsp_server.service import reasons
from lsp_server.service.candidates import Candidate, generate_all
from lsp_server.service.ranking import best_first, postprocessed, why_nothing
from lsp_server.service.request_report import RequestReport
from lsp_server.service.trigger import choose_scope, why_unsuitable
from lsp_server.service.typed_ahead import TypedAhead, may_begin_with
from lsp_server.telemetry import RequestTrace
from lsp_server.values import (
    CompletionScope,
    GenerationRequest,
    Priority,
    Prompt,
    Snapshot,
    Trigger,
)

__all__ = ["CompletionService"]

_log = logging.getLogger(__name__)

_PRIORITIES = MappingProxyType(
    {Trigger.INVOKED: Priority.EXPLICIT, Trigger.AUTOMATIC: Priority.AUTOMATIC}
)

_SAMPLING_TEMPERATURE = 0.8
_SAMPLING_TOP_P = 0.95
"""How the candidates after the first one are sampled."""


class CompletionService:
    """Completes snapshots with one model on one engine.

    Args:
        engine: Generates; the caller starts and closes it.
        tokenizer: The model's tokenizer.
        prompts: Builds prompts for the model.
        config: The limits of a completion.
        model: The model's name, for metrics.
        metrics: Takes what each request was and cost.
        user: Whose requests these are, for fairness between users.
        cache_salt: Only requests of the same salt share the engine's prefix cache.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        tokenizer: Tokenizer,
        prompts: PromptBuilder,
        config: CompletionConfig,
        model: str = "",
        metrics: Metrics | None = None,
        user: str = "",
        cache_salt: str = "",
    ) -> None:
        """Keep the parts."""
        self._model = model
        self._metrics = metrics or NoMetrics()
        self._user = user
        self._cache_salt = cache_salt
        self._engine = engine
        self._tokenizer = tokenizer
        self._prompts = prompts
        self._config = config

    async def complete(
        self,
        snapshot: Snapshot,
        *,
        request_id: str,
        trigger: Trigger,
        typed: TypedAhead,
        route: Route = Route.LSP,
    ) -> CompletionResult:
        """Complete at the snapshot's cursor.

        The result holds completions, or the reason why there are none. Cancelling the
        task aborts the generation in the engine. However it ends, it is reported to
        the metrics.

        Args:
            snapshot: The document and the cursor.
            request_id: The request's id in the log and in the engine.
            trigger: Who asked for the completion.
            typed: What is typed at the cursor during the generation.
            route: Where the request came in.

        Raises:
            EngineError: The engine failed.
        """
        report = RequestReport(
            self._metrics,
            request_id=request_id,
            route=route,
            model=self._model,
            language=snapshot.language_id,
            trigger=trigger,
            trace=RequestTrace(arrived_s=typed.arrived_s),
        )
        with report:
            result = await self._complete(
                snapshot,
                request_id=request_id,
                trigger=trigger,
                typed=typed,
                report=report,
            )
            report.result = result
        return replace(result, model=self._model)

    async def _complete(
        self,
        snapshot: Snapshot,
        *,
        request_id: str,
        trigger: Trigger,
        typed: TypedAhead,
        report: RequestReport,
    ) -> CompletionResult:
        """Complete at the snapshot's cursor, and note the stages in the report."""
        trace = report.trace
        reason = why_unsuitable(snapshot, self._config)
        if reason is not None:
            _log_reason(request_id, reason)
            return CompletionResult(reason=reason)
        cursor = CursorContext.of(snapshot)
        scope = choose_scope(cursor, trigger)
        if scope is None:
            _log_reason(request_id, reasons.UNWELCOME)
            return CompletionResult(reason=reasons.UNWELCOME)
        prompt = self._prompts.build(
            snapshot, max_output_tokens=self._max_tokens(scope), trace=trace
        )
        trace.prompt_built(len(prompt.token_ids))
        report.candidates = candidates = [
            Candidate(
                request,
                decoder=StreamDecoder(self._tokenizer),
                stop_rule=StopRule(cursor, scope),
                fits=lambda written: may_begin_with(written, typed.text, cursor),
            )
            for request in self._requests(prompt, scope, trigger, request_id)
        ]
        in_time = await generate_all(
            candidates,
            engine=self._engine,
            trace=trace,
            typed=typed,
            deadline_ms=self._config.deadline_ms,
        )
        trace.generated()
        if not in_time:
            _log_reason(request_id, reasons.DEADLINE)
        outcomes = postprocessed(candidates, cursor, scope)
        trace.end(Stage.FILTERS)
        timings = trace.timings()
        completions = tuple(
            Completion(
                completion_id=candidate.request.request_id,
                text=text,
                start=snapshot.offset,
                end=snapshot.offset,
                timings=timings,
            )
            for candidate, text in best_first(outcomes)
        )
        first = candidates[0]
        _log_done(request_id, outcomes.get(first), timings, scope, completions)
        return CompletionResult(
            completions=completions,
            reason=None if completions else why_nothing(first, outcomes.get(first)),
            scope=scope,
            prompt=prompt,
            generated=tuple(each.written for each in candidates),
            cuts=tuple(cut for outcome in outcomes.values() for cut in outcome.cuts),
            timings=timings,
        )

    def prompt_text(self, prompt: Prompt) -> str:
        """Return a prompt as text, with sentinels by their names."""
        return self._tokenizer.spell(prompt.token_ids)

    def _max_tokens(self, scope: CompletionScope) -> int:
        """Return the most tokens of a completion of this scope."""
        if scope is CompletionScope.LINE:
            return self._config.max_line_tokens
        return self._config.max_block_tokens

    def _deadline_s(self) -> float | None:
        """Return when a request that arrives now is of no use, by the loop's clock."""
        if not self._config.deadline_ms:
            return None
        return asyncio.get_running_loop().time() + self._config.deadline_ms / 1e3

    def _requests(
        self,
        prompt: Prompt,
        scope: CompletionScope,
        trigger: Trigger,
        request_id: str,
    ) -> Iterator[GenerationRequest]:
        """Yield a request for the best guess, then those for sampled candidates."""
        held_tokens = len(prompt.hold.typed_ids) if prompt.hold else 0
        first = GenerationRequest(
            request_id=request_id,
            token_ids=prompt.token_ids,
            max_tokens=self._max_tokens(scope) + held_tokens,
            stop_token_ids=prompt.stop_token_ids,
            temperature=self._config.temperature,
            hold=prompt.hold,
            user=self._user,
            priority=_PRIORITIES[trigger],
            deadline_s=self._deadline_s(),
            cache_salt=self._cache_salt,
        )
        yield first
        count = self._config.candidates if trigger is Trigger.INVOKED else 1
        for number in range(1, count):
            yield replace(
                first,
                request_id=f"{request_id}.{number}",
                candidate=number,
                temperature=max(self._config.temperature, _SAMPLING_TEMPERATURE),
                top_p=_SAMPLING_TOP_P,
            )


def _log_reason(request_id: str, reason: Reason) -> None:
    """Log why nothing is generated, or why a generation was broken off."""
    _log.debug(
        "completion.note", extra={"request_id": request_id, "reason": reason.word}
    )


def _log_done(
    request_id: str,
    outcome: Outcome | None,
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
            "dropped_by": outcome.dropped_by if outcome else "superseded",
            "changed_by": ",".join(outcome.changed_by) if outcome else "",
            "ttft_ms": None if timings.ttft_ms is None else round(timings.ttft_ms, 1),
            "total_ms": round(timings.total_ms, 1),
            "prompt_tokens": timings.prompt_tokens,
            "cached_tokens": timings.cached_tokens,
            "output_tokens": timings.output_tokens,
        },
    )
