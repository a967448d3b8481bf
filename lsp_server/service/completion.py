"""The stages of one completion, in their order.

Suitable? Which scope? Build the prompt, generate until the scope ends, clean up. Each
stage is somewhere else; this module knows only what follows what.
"""

import asyncio
import logging
from contextlib import aclosing

from lsp_server.config import CompletionConfig
from lsp_server.engine.base import Engine
from lsp_server.postprocess.pipeline import Outcome, postprocess
from lsp_server.postprocess.stop_rule import StopRule
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.prompt.stream_decoder import StreamDecoder
from lsp_server.prompt.tokenizer import Tokenizer
from lsp_server.service.suitability import why_unsuitable
from lsp_server.service.trigger import choose_scope
from lsp_server.telemetry import RequestTrace
from lsp_server.values import (
    Completion,
    CompletionScope,
    FinishReason,
    GenerationRequest,
    Snapshot,
    Trigger,
)

__all__ = ["CompletionService"]

_log = logging.getLogger(__name__)


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
        self, snapshot: Snapshot, *, request_id: str, trigger: Trigger
    ) -> tuple[Completion, ...]:
        """Complete at the snapshot's cursor; an empty tuple is "nothing to say".

        Cancelling the task aborts the generation in the engine.

        Raises:
            EngineError: The engine failed.
        """
        trace = RequestTrace()
        reason = self._why_not(snapshot)
        scope = None if reason else choose_scope(snapshot, trigger)
        if scope is None:
            _tell(request_id, reason or "unwelcome-here")
            return ()
        max_tokens = self._max_tokens(scope)
        prompt = self._prompts.build(snapshot, max_output_tokens=max_tokens)
        trace.prompt_built(len(prompt.token_ids))
        request = GenerationRequest(
            request_id=request_id,
            token_ids=prompt.token_ids,
            max_tokens=max_tokens,
            stop_token_ids=prompt.stop_token_ids,
            temperature=self._config.temperature,
        )
        text, finish_reason = await self._generate(
            request, StopRule(snapshot, scope), trace
        )
        outcome = postprocess(text, snapshot, scope, finish_reason=finish_reason)
        _tell_outcome(request_id, outcome, trace, scope)
        if outcome.text is None:
            return ()
        return (
            Completion(
                completion_id=request_id,
                text=outcome.text,
                start=snapshot.offset,
                end=snapshot.offset,
                timings=trace.timings(),
            ),
        )

    def _why_not(self, snapshot: Snapshot) -> str | None:
        """Name why there is nothing to generate; None where there may be."""
        if not self._config.enabled:
            return "disabled"
        return why_unsuitable(snapshot, self._config)

    def _max_tokens(self, scope: CompletionScope) -> int:
        """Give the most tokens of a completion of this scope."""
        if scope is CompletionScope.LINE:
            return self._config.max_line_tokens
        return self._config.max_block_tokens

    async def _generate(
        self, request: GenerationRequest, stop_rule: StopRule, trace: RequestTrace
    ) -> tuple[str, FinishReason]:
        """Generate until the model, the scope or the deadline ends it.

        Leaving the stream early aborts the request in the engine.
        """
        decoder = StreamDecoder(self._tokenizer)
        pieces: list[str] = []
        seconds = self._config.deadline_ms / 1e3 or None
        try:
            async with (
                asyncio.timeout(seconds),
                aclosing(self._engine.generate(request)) as deltas,
            ):
                async for delta in deltas:
                    trace.delta_came(delta)
                    pieces.append(decoder.feed(delta.token_ids))
                    if stop_rule.feed(pieces[-1]):
                        return "".join(pieces), FinishReason.STOP
                    if delta.finish_reason is not None:
                        pieces.append(decoder.finish())
                        return "".join(pieces), delta.finish_reason
        except TimeoutError:
            _tell(request.request_id, "deadline")
        return "".join(pieces), FinishReason.LENGTH


def _tell(request_id: str, reason: str) -> None:
    """Log why a completion ends, or does not begin, as it does."""
    _log.debug("completion.note", extra={"request_id": request_id, "reason": reason})


def _tell_outcome(
    request_id: str, outcome: Outcome, trace: RequestTrace, scope: CompletionScope
) -> None:
    """Log what came out, in counts; never the text."""
    timings = trace.timings()
    _log.info(
        "completion.done",
        extra={
            "request_id": request_id,
            "scope": scope.value,
            "chars": len(outcome.text or ""),
            "dropped_by": outcome.dropped_by,
            "changed_by": ",".join(outcome.changed_by),
            "ttft_ms": None if timings.ttft_ms is None else round(timings.ttft_ms, 1),
            "total_ms": round(timings.total_ms, 1),
            "prompt_tokens": timings.prompt_tokens,
            "cached_tokens": timings.cached_tokens,
            "output_tokens": timings.output_tokens,
        },
    )
