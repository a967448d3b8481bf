"""Completes a snapshot: choose the scope, build the prompt, generate, post-process."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from lsp_server.config import CompletionConfig, PrivacyConfig
from lsp_server.context.cursor import CursorContext
from lsp_server.engine.base import Engine
from lsp_server.metrics import Metrics, NoMetrics, Route
from lsp_server.modelstore.manifest import ConfidenceLevels
from lsp_server.outcomes import (
    Completion,
    CompletionResult,
    OverloadStep,
    Reason,
    Stage,
)
from lsp_server.postprocess.scope import StopRule, decided_scope
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.prompt.tokenizer import StreamDecoder, Tokenizer
from lsp_server.service import ranking, reasons
from lsp_server.service.candidates import (
    Candidate,
    generate_all,
    read_prompt,
    sampled,
)
from lsp_server.service.confidence import floor_of
from lsp_server.service.debounce import Debounce
from lsp_server.service.gate import Gate, OpenGate, deadline_after
from lsp_server.service.privacy import Privacy
from lsp_server.service.request_report import RequestReport, log_done, log_reason
from lsp_server.service.trigger import choose_scope, why_unsuitable, why_unwelcome
from lsp_server.service.typed_ahead import TypedAhead, may_begin_with
from lsp_server.telemetry import RequestTrace
from lsp_server.values import (
    CompletionScope,
    GenerationRequest,
    Priority,
    Prompt,
    Snapshot,
    Snippet,
    Trigger,
)

__all__ = ["CompletionService"]


class CompletionService:
    """Completes snapshots with one model on one engine.

    Args:
        engine: Generates; the caller starts and closes it.
        tokenizer: The model's tokenizer.
        prompts: Builds prompts for the model.
        config: The limits of a completion.
        gate: Says how loaded the engine is; None if it takes whatever comes.
        confidence: How sure the model has to be, by language id.
        model: The model's name, for metrics.
        metrics: Takes what each request was and cost.
        user: Whose requests these are, for fairness between users.
        cache_salt: Only requests of the same salt share the engine's prefix cache.
        privacy: Says what is private; None for the default settings.
        snippets_for: Returns what of other files is ready for a cursor, at once, and
            fit for a prompt.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        tokenizer: Tokenizer,
        prompts: PromptBuilder,
        config: CompletionConfig,
        gate: Gate | None = None,
        confidence: Mapping[str, ConfidenceLevels] = MappingProxyType({}),
        model: str = "",
        metrics: Metrics | None = None,
        user: str = "",
        cache_salt: str = "",
        privacy: Privacy | None = None,
        snippets_for: Callable[[Snapshot], tuple[Snippet, ...]] | None = None,
    ) -> None:
        self._snippets_for = snippets_for or (lambda _: ())
        self._model = model
        self._metrics = metrics or NoMetrics()
        self._user = user
        self._cache_salt = cache_salt
        self._engine = engine
        self._tokenizer = tokenizer
        self._prompts = prompts
        self._config = config
        self._gate = gate or OpenGate()
        self._confidence = confidence
        self._privacy = privacy or Privacy(PrivacyConfig())
        self._debounce = Debounce(config.max_debounce_ms)

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
        report = self.report_of(
            snapshot, request_id=request_id, trigger=trigger, typed=typed, route=route
        )
        return await report.around(
            lambda: self.generate(snapshot, typed=typed, report=report)
        )

    def report_of(
        self,
        snapshot: Snapshot,
        *,
        request_id: str,
        trigger: Trigger,
        typed: TypedAhead,
        route: Route = Route.LSP,
        priority: Priority | None = None,
    ) -> RequestReport:
        """Begin the report of a request, with the arguments of ``complete``."""
        return RequestReport(
            self._metrics,
            request_id=request_id,
            route=route,
            model=self._model,
            language=snapshot.language_id,
            trigger=trigger,
            trace=RequestTrace(arrived_s=typed.arrived_s),
            priority=priority,
        )

    async def why_unsuitable(self, snapshot: Snapshot) -> Reason | None:
        """Return why there are no completions in a document; None where there are."""
        reason = why_unsuitable(snapshot, self._config)
        return reason or await self._privacy.why_private(snapshot.uri)

    async def generate(
        self, snapshot: Snapshot, *, typed: TypedAhead, report: RequestReport
    ) -> CompletionResult:
        """Complete at the snapshot's cursor, and note the stages in the report.

        Raises:
            OverloadedError: The engine has no time for it.
            EngineError: The engine failed.
        """
        trace, request_id, trigger = report.trace, report.request_id, report.trigger
        reason = await self.why_unsuitable(snapshot)
        if reason is not None:
            log_reason(request_id, reason)
            return CompletionResult(reason=reason)
        self._gate.keep_up(report.priority)
        cursor = CursorContext.of(snapshot)
        reason = why_unwelcome(cursor, trigger)
        if reason is not None:
            log_reason(request_id, reason)
            return CompletionResult(reason=reason)
        into_blocks = self._config.continue_into_blocks
        scope = choose_scope(cursor, trigger, into_blocks=into_blocks)
        if report.priority is Priority.AUTOMATIC:
            load = self._gate.load_beside(self._user)
            await self._debounce.wait(typed.pace, snapshot.uri, load)
        trace.end(Stage.DEBOUNCE)
        # Before the prompt is built, which is most of the work outside of the engine.
        priority, deadline_s = report.priority, deadline_after(self._config.deadline_ms)
        self._gate.check(user=self._user, priority=priority, deadline_s=deadline_s)
        step = self._gate.step_for(self._user)
        snippets = self._snippets_for(snapshot)
        is_reduced = step >= OverloadStep.LESS_CONTEXT
        prompt = self._prompts.build(
            snapshot,
            max_output_tokens=self._config.max_tokens(scope),
            snippets=() if is_reduced else snippets,
            is_reduced=is_reduced,
            trace=trace,
        )
        count = self._config.candidates if trigger is Trigger.INVOKED else 1
        if step >= OverloadStep.ONE_CANDIDATE:
            count = 1
        floor = floor_of(
            self._confidence, snapshot.language_id, self._config.eagerness, trigger
        )
        first = replace(
            self._first_request(prompt, scope, request_id, priority, deadline_s),
            logprobs=floor > 0 or count > 1,
            document=snapshot.uri,
        )
        trace.prompt_built(len(prompt.token_ids))
        report.candidates = candidates = [
            Candidate(
                request,
                decoder=StreamDecoder(self._tokenizer),
                stop_rule=StopRule(cursor, scope),
                fits=lambda written: may_begin_with(written, typed.text, cursor),
                floor=floor,
                max_line_tokens=self._config.max_line_tokens,
            )
            for request in (first, *sampled(first, count - 1))
        ]
        with self._debounce.measured(lambda: candidates[0].is_whole):
            in_time = await generate_all(
                candidates,
                engine=self._engine,
                trace=trace,
                typed=typed,
                is_useful=lambda each: ranking.is_shown(each, cursor, scope),
                deadline_ms=self._config.deadline_ms,
            )
        trace.generated()
        if not in_time:
            log_reason(request_id, reasons.DEADLINE)
        outcomes = ranking.postprocessed(candidates, cursor, scope)
        outcomes = await self._privacy.checked(outcomes, snapshot)
        ranked = await ranking.best_first(outcomes, snapshot)
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
            for candidate, text in ranked
        )
        best = candidates[0]
        ran = decided_scope(best.text, cursor, scope)
        log_done(request_id, outcomes.get(best), timings, ran, completions)
        return CompletionResult(
            completions=completions,
            reason=None
            if completions
            else ranking.why_nothing(best, outcomes.get(best)),
            scope=ran,
            prompt=prompt,
            generated=tuple(each.written for each in candidates),
            cuts=tuple(cut for outcome in outcomes.values() for cut in outcome.cuts),
            timings=timings,
            in_time=in_time,
        )

    def prompt_text(self, prompt: Prompt) -> str:
        """Return a prompt as text, with sentinels by their names."""
        return self._tokenizer.spell(prompt.token_ids)

    async def read_ahead(self, snapshot: Snapshot, request_id: str) -> None:
        """Have the engine read the prompt for a cursor before somebody asks there."""
        if await self.why_unsuitable(snapshot) is None:
            most, found = self._config.max_line_tokens, self._snippets_for(snapshot)
            prompt = self._prompts.build(
                snapshot, max_output_tokens=most, snippets=found
            )
            scope, priority = CompletionScope.LINE, Priority.PREWARM
            first = self._first_request(prompt, scope, request_id, priority, None)
            await read_prompt(replace(first, document=snapshot.uri), self._engine)

    def _first_request(
        self,
        prompt: Prompt,
        scope: CompletionScope,
        request_id: str,
        priority: Priority,
        deadline_s: float | None,
    ) -> GenerationRequest:
        """Return the request for the model's best guess."""
        held_tokens = len(prompt.hold.typed_ids) if prompt.hold else 0
        return GenerationRequest(
            request_id=request_id,
            token_ids=prompt.token_ids,
            max_tokens=self._config.max_tokens(scope) + held_tokens,
            stop_token_ids=prompt.stop_token_ids,
            temperature=self._config.temperature,
            hold=prompt.hold,
            user=self._user,
            priority=priority,
            deadline_s=deadline_s,
            cache_salt=self._cache_salt,
        )
