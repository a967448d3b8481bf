"""Generates several completions of one prompt at the same time.

The first is the model's best guess, and the others are sampled. They share one
deadline, and one prefill through the engine's prefix cache.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import compress, repeat

from lsp_server.engine.base import Engine
from lsp_server.errors import OverloadedError
from lsp_server.outcomes import StopCause
from lsp_server.postprocess.scope import StopRule
from lsp_server.prompt.tokenizer import StreamDecoder
from lsp_server.service.confidence import Confidence, Likelihood, whole_end
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.telemetry import RequestTrace
from lsp_server.values import FinishReason, GenerationRequest, TokenDelta

__all__ = ["Candidate", "generate_all", "read_prompt", "sampled"]

_MAX_TIME_RATIO = 1.35
"""The others may take this many times as long as the first one that can be shown."""


_TEMPERATURE = 0.8
_TOP_P = 0.95
"""How the candidates after the first one are sampled."""


def sampled(first: GenerationRequest, count: int) -> Iterator[GenerationRequest]:
    """Yield the requests for so many sampled candidates beside the first one."""
    for number in range(1, count + 1):
        yield replace(
            first,
            request_id=f"{first.request_id}.{number}",
            candidate=number,
            temperature=max(first.temperature, _TEMPERATURE),
            top_p=_TOP_P,
        )


async def read_prompt(request: GenerationRequest, engine: Engine) -> None:
    """Have an engine read a request's prompt; the token that it writes is not used.

    Raises:
        EngineError: The engine failed.
    """
    async with aclosing(engine.generate(replace(request, max_tokens=1))) as deltas:
        async for _ in deltas:
            pass


class Candidate:
    """One completion while it is generated.

    Args:
        request: What the engine is asked for.
        decoder: Decodes the generated tokens.
        stop_rule: Decides when the generation can end.
        fits: Whether a text that begins like this can still be of use.
        floor: The least joint probability of a text that is shown.
        max_line_tokens: The most tokens of a text that has no line end yet; 0 for
            without a limit of its own.

    Attributes:
        finish_reason: Why the generation ended; None where it was broken off.
        stop_cause: Why Midfill ended it; None where it did not.
        is_superseded: Whether what was typed meanwhile has made it useless.
    """

    def __init__(
        self,
        request: GenerationRequest,
        *,
        decoder: StreamDecoder,
        stop_rule: StopRule,
        fits: Callable[[str], bool],
        floor: float = 0.0,
        max_line_tokens: int = 0,
    ) -> None:
        """Keep the parts; ``generate`` does the work."""
        self.request = request
        self.finish_reason: FinishReason | None = None
        self.is_superseded = False
        self.stop_cause: StopCause | None = None
        self._decoder = decoder
        self._stop_rule = stop_rule
        self._fits = fits
        self._held = request.hold.text if request.hold else ""
        self._written = ""
        held_tokens = len(request.hold.typed_ids) if request.hold else 0
        line_tokens = (max_line_tokens or request.max_tokens) + held_tokens
        self._line_tokens = min(request.max_tokens, line_tokens)
        self._spent_tokens = 0
        self._ended_by_model = False
        self._confidence = Confidence(held_chars=len(self._held), floor=floor)

    @property
    def written(self) -> str:
        """All generated text, the held text included."""
        return self._written

    @property
    def text(self) -> str:
        """The generated text after the held text."""
        return self._written[len(self._held) :]

    @property
    def sure_text(self) -> str:
        """The beginning of ``text`` that the model is sure enough of, in whole words.

        It is all of ``text`` where the model is sure enough of that.
        """
        if self._confidence.is_enough:
            return self.text
        end = whole_end(self._written, self._confidence.sure_chars)
        return self._written[len(self._held) : end]

    def likelihood(self, shown: str) -> Likelihood:
        """Return how likely the generated text is, as far as it is shown."""
        at = max(self.text.find(shown), 0)
        return self._confidence.likelihood(len(self._held) + at + len(shown))

    @property
    def unspent_tokens(self) -> int:
        """Tokens that were allowed and not generated; 0 if the model ended it."""
        if self._ended_by_model:
            return 0
        has_lines = "\n" in self.text.strip()
        allowed = self.request.max_tokens if has_lines else self._line_tokens
        return max(0, allowed - self._spent_tokens)

    @property
    def keeps_hold(self) -> bool:
        """Whether the generated text begins with the held text, as far as it goes."""
        return self._written.startswith(self._held) or self._held.startswith(
            self._written
        )

    @property
    def is_whole(self) -> bool:
        """Whether the generation came to its end and continues the held text."""
        has_ended = self.finish_reason is not None and not self.is_superseded
        return has_ended and self._written.startswith(self._held)

    def still_fits(self) -> bool:
        """Check whether the text is still of use; once it is not, it never is again."""
        self.is_superseded |= not self._fits(self.text)
        return not self.is_superseded

    async def generate(self, engine: Engine, trace: RequestTrace) -> None:
        """Generate until the model or the stop rule ends it.

        Leaving the stream early aborts the request in the engine. An overloaded engine
        costs the first candidate alone an error: the others are left out.

        Raises:
            EngineError: The engine failed.
        """
        try:
            await self._generate(engine, trace)
        except OverloadedError:
            if not self.request.candidate:
                raise

    async def _generate(self, engine: Engine, trace: RequestTrace) -> None:
        """Generate, as ``generate`` does."""
        async with aclosing(engine.generate(self.request)) as deltas:
            async for delta in deltas:
                # Tokens that the first candidate cached a moment ago are no cache hit.
                trace.delta_came(
                    replace(delta, num_cached_tokens=0)
                    if self.request.candidate
                    else delta
                )
                self._spent_tokens += len(delta.token_ids)
                can_end = self._add_tokens(delta)
                if delta.finish_reason is not None:
                    self._ended_by_model = True
                elif can_end:
                    self.stop_cause = self._stop_rule.cause or StopCause.UNSURE
                if can_end or not self.keeps_hold or not self.still_fits():
                    self.finish_reason = FinishReason.STOP
                    return
                if delta.finish_reason is not None:
                    self._add(self._decoder.finish())
                    self.finish_reason = delta.finish_reason
                    return
                if not self.unspent_tokens:
                    self.finish_reason = FinishReason.LENGTH
                    return

    def _add_tokens(self, delta: TokenDelta) -> bool:
        """Add tokens until the generation can end, and return whether it can."""
        logprobs = delta.logprobs or repeat(0.0)
        for token_id, logprob in zip(delta.token_ids, logprobs, strict=False):
            can_end = self._add(self._decoder.feed((token_id,)))
            self._confidence.add(logprob, len(self._written))
            if can_end or not self._confidence.is_enough:
                return True
        return False

    def _add(self, text: str) -> bool:
        """Add generated text, and return whether the generation can end now."""
        before = max(len(self._written), len(self._held))
        self._written += text
        new = self._written[before:]
        return bool(new) and self._stop_rule.feed(new)


async def generate_all(
    candidates: Sequence[Candidate],
    *,
    engine: Engine,
    trace: RequestTrace,
    typed: TypedAhead,
    is_useful: Callable[[Candidate], bool],
    deadline_ms: int,
) -> bool:
    """Generate every candidate, and return whether that ended before the deadline.

    A candidate is aborted in the engine as soon as what is typed makes it useless, and
    when it takes much longer than the first one, or where nothing of that can be shown,
    than one that is useful. Cancelling aborts all of them.

    Args:
        candidates: What to generate, the best guess first.
        engine: Generates.
        trace: Records the times.
        typed: What is typed during the generation.
        is_useful: Whether something of a candidate that has ended can be shown.
        deadline_ms: The most time that all of it may take; 0 is without a limit.

    Raises:
        EngineError: The engine failed.
    """
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    tasks: list[asyncio.Task[None]] = []
    timers: list[asyncio.TimerHandle] = []

    def abort_useless() -> None:
        for candidate, task in zip(candidates, tasks, strict=True):
            if not task.done() and not candidate.still_fits():
                task.cancel()

    def limit_others(_: asyncio.Task[None]) -> None:
        if timers or not _is_answered(candidates, tasks, is_useful):
            return
        left_s = (loop.time() - began_s) * (_MAX_TIME_RATIO - 1)
        timers.extend(loop.call_later(left_s, task.cancel) for task in tasks[1:])

    try:
        with typed.watched(abort_useless):
            async with asyncio.timeout(deadline_ms / 1e3 or None):
                async with asyncio.TaskGroup() as group:
                    tasks += [
                        group.create_task(each.generate(engine, trace))
                        for each in candidates
                    ]
                    for task in tasks:
                        task.add_done_callback(limit_others)
    except TimeoutError:
        return False
    except BaseExceptionGroup as failures:
        # They have one cause, the engine, so the first one says it all.
        raise failures.exceptions[0] from None
    finally:
        for timer in timers:
            timer.cancel()
    return True


def _is_answered(
    candidates: Sequence[Candidate],
    tasks: Sequence[asyncio.Task[None]],
    is_useful: Callable[[Candidate], bool],
) -> bool:
    """Return whether the first of several has ended, and one that has is useful."""
    ended = [task.done() for task in tasks]
    is_over = bool(tasks[1:]) and ended[0]
    return is_over and any(map(is_useful, compress(candidates, ended)))
