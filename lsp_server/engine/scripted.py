"""A deterministic engine for tests and for work on editors, without a model.

It keeps the promises of `Engine` as the real one does: tokens arrive one by one,
closing a stream aborts the request, a dead engine stays dead. The answers are given as
token ids, so it needs no tokenizer.
"""

import asyncio
import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Self

from lsp_server.engine.engine_speed import EngineSpeed, KeptPrompts
from lsp_server.engine.scripted_pace import EngineSteps, FixedPause, Pace, Sleep
from lsp_server.engine_values import EngineHealth, EngineInfo, EngineState
from lsp_server.errors import EngineDeadError, RequestRejectedError
from lsp_server.values import FinishReason, GenerationRequest, TokenDelta

__all__ = ["Script", "ScriptedEngine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a scripted engine answers, how fast, and when it dies.

    Attributes:
        answer_ids: The answer to every request.
        further_ids: The answers to further candidates of a prompt, the second candidate
            first; candidates beyond them get ``answer_ids``.
        probabilities: For each candidate, the first one first: the probability of each
            of its tokens, the held ones not among them; 1 where there is none.
        token_delay_ms: Pause before each token, in milliseconds.
        speed: The speed of an engine with continuous batching and a prefix cache, in
            place of that pause; None for the pause.
        start_delay_ms: How long a start takes, in milliseconds.
        die_after_requests: The engine dies in the middle of this request, counted
            from 1 since its start, candidates of one prompt as one; 0 is never.
        max_model_len: The most tokens of prompt and output together.
    """

    answer_ids: tuple[int, ...]
    further_ids: tuple[tuple[int, ...], ...] = ()
    probabilities: tuple[tuple[float, ...], ...] = ()
    token_delay_ms: int = 0
    speed: EngineSpeed | None = None
    start_delay_ms: int = 0
    die_after_requests: int = 0
    max_model_len: int = 2048


class ScriptedEngine:
    """An engine that follows a script; `start` makes one after the start delay."""

    def __init__(self, script: Script, *, sleep: Sleep = asyncio.sleep) -> None:
        """Make an engine that is ready at once.

        Args:
            script: What it answers.
            sleep: How it waits; tests may pass their own.
        """
        self._script = script
        self._state = EngineState.READY
        self._in_flight: set[str] = set()
        self._requests: list[GenerationRequest] = []
        self._aborted: list[str] = []
        speed = script.speed
        self._kept = KeptPrompts(speed.kept_tokens) if speed else None
        self._pace: Pace = FixedPause(script.token_delay_ms, sleep)
        if speed:
            self._pace = EngineSteps(speed, sleep)

    @classmethod
    async def start(cls, script: Script, *, sleep: Sleep = asyncio.sleep) -> Self:
        """Make an engine after the script's start delay."""
        await sleep(script.start_delay_ms / 1000)
        return cls(script, sleep=sleep)

    @property
    def info(self) -> EngineInfo:
        """Name, version and device of this engine."""
        return EngineInfo(
            name="scripted",
            version="1",
            device="cpu",
            max_model_len=self._script.max_model_len,
        )

    @property
    def requests(self) -> tuple[GenerationRequest, ...]:
        """Every request so far, the first one first."""
        return tuple(self._requests)

    @property
    def aborted(self) -> tuple[str, ...]:
        """The ids of requests that ended before their answer was complete."""
        return tuple(self._aborted)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Answer with the script's tokens, one per delta.

        If the request holds the output to a text, its tokens come first. The number of
        cached tokens is the length of the prefix that this prompt shares with the
        previous one, or, of an engine with a speed, what its prefix cache holds.

        Raises:
            RequestRejectedError: Prompt and output do not fit into the model.
            EngineDeadError: The engine is dead, or the script has it die here.
        """
        self._require_alive(request)
        held = request.hold.typed_ids if request.hold else ()
        if len(request.token_ids) + request.max_tokens > self._script.max_model_len:
            raise RequestRejectedError(
                f"prompt and output take more than {self._script.max_model_len} tokens",
                subject=f"request {request.request_id}",
                remedy="shorten the prompt or lower max_tokens",
            )
        cached = self._cached(request)
        self._requests.append(request)
        prompts = sum(not each.candidate for each in self._requests)
        dies = not request.candidate and prompts == self._script.die_after_requests
        script_ids = self._script.answer_ids
        if 0 < request.candidate <= len(self._script.further_ids):
            script_ids = self._script.further_ids[request.candidate - 1]
        answer, reason = _answer(held + script_ids, request)
        logprobs = self._logprobs(request, len(held), len(answer))
        self._in_flight.add(request.request_id)
        finished = False
        new_tokens = len(request.token_ids) - cached
        try:
            async with self._pace.turn(new_tokens, len(answer)) as next_token:
                for index, token_id in enumerate(answer):
                    await next_token()
                    if dies and index >= len(answer) // 2:
                        self._state = EngineState.FAILED
                    self._require_alive(request)
                    if request.request_id not in self._in_flight:
                        yield TokenDelta(
                            token_ids=(),
                            num_cached_tokens=cached,
                            finish_reason=FinishReason.ABORT,
                        )
                        return
                    is_last = index == len(answer) - 1
                    finished = is_last and reason is FinishReason.LENGTH
                    yield TokenDelta(
                        token_ids=(token_id,),
                        logprobs=logprobs[index : index + 1],
                        num_cached_tokens=cached,
                        finish_reason=reason if finished else None,
                    )
            if not finished:
                finished = True
                yield TokenDelta(
                    token_ids=(), num_cached_tokens=cached, finish_reason=reason
                )
        finally:
            self._in_flight.discard(request.request_id)
            if not finished and self._state is EngineState.READY:
                self._aborted.append(request.request_id)

    async def abort(self, request_id: str) -> None:
        """End a request before its next token; an unknown one is ignored."""
        self._in_flight.discard(request_id)

    async def health(self) -> EngineHealth:
        """Return the engine's state."""
        return EngineHealth(state=self._state, requests_in_flight=len(self._in_flight))

    async def close(self) -> None:
        """End the engine; requests in flight fail at their next token."""
        self._state = EngineState.CLOSED

    def _cached(self, request: GenerationRequest) -> int:
        """Return how many tokens of a prompt are held, and hold it."""
        if self._kept:
            return self._kept.keep(request.token_ids)
        before = self._requests[-1].token_ids if self._requests else ()
        return _common_prefix(before, request.token_ids)

    def _logprobs(
        self, request: GenerationRequest, held_tokens: int, tokens: int
    ) -> tuple[float, ...]:
        """Return the log-probability of each token of an answer, if wanted."""
        if not request.logprobs:
            return ()
        played = self._script.probabilities
        own = played[request.candidate] if request.candidate < len(played) else ()
        padded = ((1.0,) * held_tokens + own + (1.0,) * tokens)[:tokens]
        return tuple(map(math.log, padded))

    def _require_alive(self, request: GenerationRequest) -> None:
        if self._state is not EngineState.READY:
            raise EngineDeadError(
                f"the scripted engine is {self._state.value}",
                subject=f"request {request.request_id}",
                remedy="start the engine again",
            )


def _answer(
    answer_ids: tuple[int, ...], request: GenerationRequest
) -> tuple[tuple[int, ...], FinishReason]:
    """Return the tokens of an answer, and why it ends."""
    answer = answer_ids[: request.max_tokens]
    stops = (at for at, token in enumerate(answer) if token in request.stop_token_ids)
    stop = next(stops, None)
    if stop is not None:
        return answer[:stop], FinishReason.STOP
    if len(answer_ids) < request.max_tokens:
        return answer, FinishReason.STOP
    return answer, FinishReason.LENGTH


def _common_prefix(left: tuple[int, ...], right: tuple[int, ...]) -> int:
    """Return how many tokens two prompts have in common at their beginning."""
    pairs = zip(left, right, strict=False)
    differing = (at for at, (one, other) in enumerate(pairs) if one != other)
    return next(differing, min(len(left), len(right)))
