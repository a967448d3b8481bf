"""An engine that computes nothing, at a GPU's pace: what is measured is the server.

Its times are those of a 7B shape with 4-bit weights on one H200 with what is typed in
the prefix cache: 12 ms to the first token alone, 128 with a hundred requests, and 3.6
and 7 ms for each further one. Source: docs/figures.md and `benchmarks/results`.
"""

import asyncio
import math
from collections.abc import AsyncGenerator

from benchmarks.load_speech import Speech
from lsp_server.engine_values import EngineHealth, EngineInfo, EngineState
from lsp_server.values import FinishReason, GenerationRequest, TokenDelta

__all__ = ["PacedEngine"]

_FIRST_S, _FIRST_PER_REQUEST_S = 0.011, 0.0011
_TOKEN_S, _TOKEN_PER_REQUEST_S = 0.0036, 0.000035
_STEP_S = 0.0036
"""Tokens come in steps, those of all requests in the same moment."""


class PacedEngine:
    """Answers every prompt with `Speech`, as fast as a GPU would.

    Args:
        speech: What it says.
        max_model_len: Tokens of prompt and output together.
    """

    def __init__(self, speech: Speech, max_model_len: int) -> None:
        self._speech = speech
        self._max_model_len = max_model_len
        self._running = 0

    @property
    def info(self) -> EngineInfo:
        """What it is."""
        return EngineInfo(
            name="paced",
            version="1",
            device="cpu",
            max_model_len=self._max_model_len,
        )

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Yield as many tokens as drawn for the prompt, each when it is due."""
        limited = self._speech.limited(request)
        self._running += 1
        due_s = asyncio.get_running_loop().time()
        due_s += _FIRST_S + self._running * _FIRST_PER_REQUEST_S
        try:
            for number in range(limited.max_tokens):
                step_s = math.ceil(due_s / _STEP_S) * _STEP_S
                await asyncio.sleep(step_s - asyncio.get_running_loop().time())
                is_last = number == limited.max_tokens - 1
                delta = TokenDelta(
                    token_ids=(0,),
                    logprobs=(0.0,) if request.logprobs else (),
                    num_cached_tokens=max(0, len(request.token_ids) - 8),
                    finish_reason=FinishReason.LENGTH if is_last else None,
                )
                yield self._speech.say(delta, number)
                due_s += _TOKEN_S + self._running * _TOKEN_PER_REQUEST_S
        finally:
            self._running -= 1

    async def abort(self, request_id: str) -> None:
        """Do nothing: closing the stream ends a request."""

    async def health(self) -> EngineHealth:
        """Return that it runs."""
        return EngineHealth(state=EngineState.READY, requests_in_flight=self._running)

    async def close(self) -> None:
        """Do nothing."""
