"""Runs the generations of one request, and accounts for what they took."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from types import MappingProxyType

from lsp_server.metrics import Outcome, RequestRecord
from lsp_server.rest.exchange import CLIENT_GONE, Exchange
from lsp_server.rest.served_models import ServedModel
from lsp_server.rest.services import RestServices
from lsp_server.service.text_completion import (
    StopCause,
    TextDelta,
    TextRequest,
    merged,
    stream_text,
)
from lsp_server.service.text_prompts import TextPrompt
from lsp_server.telemetry import RequestTrace
from lsp_server.values import GenerationRequest, Priority

__all__ = ["Generations", "Sampling", "finish_reason"]

_MOST_SEED = 2**31
_MOST_CHOICES = 16
_FINISH_REASONS: Mapping[StopCause, str] = MappingProxyType(
    {StopCause.LENGTH: "length", StopCause.PRIVACY: "content_filter"}
)
_WHOLE = frozenset({StopCause.MODEL, StopCause.LENGTH})
"""The causes for which nothing more would have been generated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How texts are generated, for all prompts of a request.

    Attributes:
        temperature: 0 is greedy.
        top_p: Only the likeliest tokens that make up this share are drawn from.
        seed: The same seed draws the same tokens; None draws others each time.
        count: How many texts for each prompt.
        stops: Strings before which a text ends.
        min_indent: As in `TextRequest`.
        max_predict_ms: As in `TextRequest`.
        priority: How urgent it is.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    count: int = 1
    stops: tuple[str, ...] = ()
    min_indent: int = 0
    max_predict_ms: int = 0
    priority: Priority = Priority.AUTOMATIC


@dataclass(slots=True)
class _Choice:
    """One text of a request, while it is generated."""

    max_tokens: int
    new_tokens: int = 0
    cause: StopCause | None = None


@dataclass(slots=True, kw_only=True)
class Generations:
    """The texts that one request asks for.

    Attributes:
        services: The parts of the process.
        model: The model that is asked.
        exchange: The request.
        prompts: The prompts, each with its own limit.
        sampling: How the texts are generated.
        trace: Measures the times.
    """

    services: RestServices
    model: ServedModel
    exchange: Exchange
    prompts: Sequence[TextPrompt]
    sampling: Sampling
    trace: RequestTrace
    _choices: list[_Choice] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Note how much is asked for."""
        self.trace.prompt_built(self.prompt_tokens)
        self._choices = [
            _Choice(prompt.max_tokens)
            for prompt in self.prompts
            for _ in range(self.sampling.count)
        ]

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts together, held ones included."""
        return sum(
            len(each.prompt.token_ids)
            + (len(each.prompt.hold.typed_ids) if each.prompt.hold else 0)
            for each in self.prompts
        )

    @property
    def new_tokens(self) -> int:
        """Tokens that were generated until now."""
        return sum(choice.new_tokens for choice in self._choices)

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that the engine's prefix cache held, as far as is known."""
        return self.trace.timings().cached_tokens

    async def run(self) -> AsyncGenerator[tuple[int, TextDelta]]:
        """Generate; yields each delta with the number of its choice.

        Closing the generator aborts what is not complete.

        Raises:
            QuotaError: The key has used up its share.
            EngineError: The engine failed, is busy, or refuses the request.
        """
        tokens = self.prompt_tokens + sum(each.max_tokens for each in self._choices)
        async with self.services.limiter.admit(self.exchange.key, tokens) as grant:
            outcome = Outcome.FAILED
            try:
                async with aclosing(self._deltas()) as deltas:
                    async for number, delta in deltas:
                        choice = self._choices[number]
                        choice.new_tokens += delta.new_tokens
                        choice.cause = delta.cause
                        yield number, delta
                outcome = Outcome.COMPLETED if self.new_tokens else Outcome.EMPTY
            except (asyncio.CancelledError, GeneratorExit):
                outcome = Outcome.CANCELLED
                self.exchange.status = CLIENT_GONE
                raise
            finally:
                self.trace.generated()
                grant.settle(self.prompt_tokens + self.new_tokens)
                self._report(outcome)

    def _deltas(self) -> AsyncGenerator[tuple[int, TextDelta]]:
        """Generate all texts side by side; none where no token is asked for."""
        if not any(each.max_tokens for each in self._choices):
            return _no_texts(len(self._choices))
        streams = [self._stream(request) for request in self._requests()]
        # More would wait for each other, and be refused for waiting.
        return merged(streams, most=self.model.host.engine.running_limit)

    def _stream(self, request: TextRequest) -> AsyncGenerator[TextDelta]:
        return stream_text(
            request,
            engine=self.model.host.engine,
            tokenizer=self.model.loaded.tokenizer,
            privacy=self.model.privacy,
            trace=self.trace,
        )

    def _requests(self) -> Sequence[TextRequest]:
        """Return what the engine is asked for, one request for each choice."""
        sampling = self.sampling
        control = self.model.prompts.raw_encoder.control_id
        # A stop string that is a control token's name never comes as text.
        stop_ids = tuple(
            token_id
            for stop in sampling.stops
            if (token_id := control(stop)) is not None
        )
        requests: list[TextRequest] = []
        for number, prompt in enumerate(self.prompts):
            for choice in range(sampling.count):
                generation = GenerationRequest(
                    request_id=f"{self.exchange.request_id}.{len(requests)}",
                    token_ids=prompt.prompt.token_ids,
                    max_tokens=prompt.max_tokens + _held_tokens(prompt),
                    stop_token_ids=(*prompt.prompt.stop_token_ids, *stop_ids),
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    candidate=_candidate(sampling.seed, number, choice),
                    hold=prompt.prompt.hold,
                    user=self.exchange.user,
                    priority=sampling.priority,
                    cache_salt=self.exchange.key.cache_salt,
                    document=self.exchange.document,
                )
                requests.append(
                    TextRequest(
                        generation=generation,
                        stops=sampling.stops,
                        min_indent=sampling.min_indent,
                        max_predict_ms=sampling.max_predict_ms,
                        before=prompt.before,
                        after=prompt.after,
                    )
                )
        return requests

    def _report(self, outcome: Outcome) -> None:
        """Report the request to metrics and access log."""
        timings = self.exchange.timings = self.trace.timings()
        unspent = sum(
            choice.max_tokens - choice.new_tokens
            for choice in self._choices
            if choice.cause not in _WHOLE
        )
        self.services.metrics.request_done(
            RequestRecord(
                request_id=self.exchange.request_id,
                route=self.exchange.measured_route,
                model=self.model.name,
                language="",
                outcome=outcome,
                timings=timings,
                saved_tokens=0 if outcome is Outcome.FAILED else max(0, unspent),
            )
        )


async def _no_texts(count: int) -> AsyncGenerator[tuple[int, TextDelta]]:
    """Yield the end of each of so many texts."""
    for number in range(count):
        yield number, TextDelta(text="", cause=StopCause.LENGTH)


def finish_reason(cause: StopCause | None) -> str | None:
    """Return OpenAI's word for why a text ended; None while it goes on."""
    if cause is None:
        return None
    return _FINISH_REASONS.get(cause, "stop")


def _held_tokens(prompt: TextPrompt) -> int:
    return len(prompt.prompt.hold.typed_ids) if prompt.prompt.hold else 0


def _candidate(seed: int | None, prompt: int, choice: int) -> int:
    """Return the sampler's seed for one choice; 0 for the first one without a seed."""
    if seed is not None:
        return (seed % _MOST_SEED) * _MOST_CHOICES + choice + 1
    if prompt == 0 and choice == 0:
        return 0
    return random.randrange(1, _MOST_SEED)  # noqa: S311  draws tokens, guards nothing
