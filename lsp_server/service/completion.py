"""The stages of one completion, in their order.

Suitable? Which scope? Build the prompt, generate until the scope ends, clean up. Each
stage is somewhere else; this module knows only what follows what.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lsp_server.config import CompletionConfig
from lsp_server.engine.base import Engine
from lsp_server.outcomes import CompletionResult, Reason
from lsp_server.postprocess.beginning import may_begin_with
from lsp_server.postprocess.pipeline import Outcome, postprocess
from lsp_server.postprocess.stop_rule import StopRule
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.prompt.stream_decoder import StreamDecoder
from lsp_server.prompt.tokenizer import Tokenizer
from lsp_server.service import reasons
from lsp_server.service.candidates import Candidate, write_side_by_side
from lsp_server.service.suitability import why_unsuitable
from lsp_server.service.trigger import choose_scope
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.telemetry import RequestTrace
from lsp_server.values import (
    Completion,
    CompletionScope,
    FinishReason,
    GenerationRequest,
    Prompt,
    Snapshot,
    Trigger,
)

__all__ = ["CompletionService"]

_log = logging.getLogger(__name__)

_FURTHER_TEMPERATURE = 0.8
_FURTHER_TOP_P = 0.95
"""How the candidates behind the first are drawn."""


class CompletionService:
    """Completes snapshots with one model on one engine.

    Args:
        engine: Generates; it is somebody else's to start and to end.
        tokenizer: The model's tokenizer.
        prompts: Builds prompts for the model.
        config: What a completion may be.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        tokenizer: Tokenizer,
        prompts: PromptBuilder,
        config: CompletionConfig,
    ) -> None:
        """Put the stages together."""
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
    ) -> CompletionResult:
        """Complete at the snapshot's cursor: with suggestions, or with the reason.

        Cancelling the task aborts the generation in the engine.

        Args:
            snapshot: The document and the cursor.
            request_id: Names the request in the log and in the engine.
            trigger: Who asked.
            typed: What is typed at the cursor meanwhile.

        Raises:
            EngineError: The engine failed.
        """
        trace = RequestTrace()
        reason = why_unsuitable(snapshot, self._config)
        scope = None if reason else choose_scope(snapshot, trigger)
        if scope is None:
            reason = reason or reasons.UNWELCOME
            _tell(request_id, reason)
            return CompletionResult(reason=reason)
        prompt = self._prompts.build(
            snapshot, max_output_tokens=self._max_tokens(scope)
        )
        trace.prompt_built(len(prompt.token_ids))
        candidates = [
            Candidate(
                request,
                decoder=StreamDecoder(self._tokenizer),
                stop_rule=StopRule(snapshot, scope),
                fits=lambda written: may_begin_with(written, typed.text, snapshot),
            )
            for request in self._requests(prompt, scope, trigger, request_id)
        ]
        in_time = await write_side_by_side(
            candidates,
            engine=self._engine,
            trace=trace,
            typed=typed,
            deadline_ms=self._config.deadline_ms,
        )
        if not in_time:
            _tell(request_id, reasons.DEADLINE)
        return _result(candidates, snapshot, scope, prompt, trace)

    def prompt_text(self, prompt: Prompt) -> str:
        """Spell a prompt as the model read it, sentinels by their names."""
        return self._tokenizer.spell(prompt.token_ids)

    def _max_tokens(self, scope: CompletionScope) -> int:
        """Return the most tokens of a completion of this scope."""
        if scope is CompletionScope.LINE:
            return self._config.max_line_tokens
        return self._config.max_block_tokens

    def _requests(
        self,
        prompt: Prompt,
        scope: CompletionScope,
        trigger: Trigger,
        request_id: str,
    ) -> Iterator[GenerationRequest]:
        """Yield the orders for one prompt: the best guess, then what is drawn."""
        held_tokens = len(prompt.hold.typed_ids) if prompt.hold else 0
        first = GenerationRequest(
            request_id=request_id,
            token_ids=prompt.token_ids,
            max_tokens=self._max_tokens(scope) + held_tokens,
            stop_token_ids=prompt.stop_token_ids,
            temperature=self._config.temperature,
            hold=prompt.hold,
        )
        yield first
        further = self._config.candidates if trigger is Trigger.INVOKED else 1
        for number in range(1, further):
            yield replace(
                first,
                request_id=f"{request_id}.{number}",
                candidate=number,
                temperature=max(self._config.temperature, _FURTHER_TEMPERATURE),
                top_p=_FURTHER_TOP_P,
            )


def _result(
    candidates: Sequence[Candidate],
    snapshot: Snapshot,
    scope: CompletionScope,
    prompt: Prompt,
    trace: RequestTrace,
) -> CompletionResult:
    """Make suggestions of what was written, or find the reason why there are none."""
    first = candidates[0]
    outcomes = {
        each: postprocess(
            each.text,
            snapshot,
            scope,
            finish_reason=each.finish_reason or FinishReason.LENGTH,
        )
        for each in candidates
        # Of the first, what there is at the deadline is better than nothing.
        if each.is_whole or (each is first and not each.is_superseded)
    }
    timings = trace.timings()
    completions = tuple(
        Completion(
            completion_id=each.request.request_id,
            text=text,
            start=snapshot.offset,
            end=snapshot.offset,
            timings=timings,
        )
        for each, text in _best_first(outcomes)
    )
    _tell_outcome(
        first.request.request_id, outcomes.get(first), trace, scope, completions
    )
    return CompletionResult(
        completions=completions,
        reason=None if completions else _why_nothing(first, outcomes.get(first)),
        scope=scope,
        prompt=prompt,
        generated=tuple(each.written for each in candidates),
        cuts=tuple(cut for outcome in outcomes.values() for cut in outcome.cuts),
        timings=timings,
    )


def _best_first(
    outcomes: dict[Candidate, Outcome],
) -> list[tuple[Candidate, str]]:
    """Leave out what was written twice, and order by how often it was drawn.

    The first candidate, which was not drawn, stays the first.
    """
    votes: Counter[str] = Counter()
    wrote: dict[str, Candidate] = {}
    for candidate, outcome in outcomes.items():
        if outcome.text is not None:
            votes[outcome.text] += 1
            wrote.setdefault(outcome.text, candidate)
    return sorted(
        ((candidate, text) for text, candidate in wrote.items()),
        key=lambda found: (found[0].request.candidate > 0, -votes[found[1]]),
    )


def _why_nothing(first: Candidate, outcome: Outcome | None) -> Reason:
    """Find why nothing of what was written is shown."""
    if outcome is None or outcome.dropped_by is None:
        return reasons.SUPERSEDED
    if first.finish_reason is None:
        return reasons.DEADLINE
    if not first.keeps_hold or (first.written and not first.is_whole):
        return reasons.WORD_NOT_CONTINUED
    if not first.text:
        return reasons.ENDED_AT_ONCE
    return reasons.dropped_by(outcome.dropped_by)


def _tell(request_id: str, reason: Reason) -> None:
    """Log why a completion ends, or does not begin, as it does."""
    _log.debug(
        "completion.note", extra={"request_id": request_id, "reason": reason.word}
    )


def _tell_outcome(
    request_id: str,
    outcome: Outcome | None,
    trace: RequestTrace,
    scope: CompletionScope,
    completions: Sequence[Completion],
) -> None:
    """Log what came out, in counts; never the text."""
    timings = trace.timings()
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
