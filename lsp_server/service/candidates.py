"""Several answers to one prompt, written side by side by the engine.

The first is the best guess; the others are drawn. Each ends by itself, and all of them
together have one deadline. The engine's prefix cache lets them share one prefill.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from lsp_server.engine.base import Engine
from lsp_server.postprocess.stop_rule import StopRule
from lsp_server.prompt.stream_decoder import StreamDecoder
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.telemetry import RequestTrace
from lsp_server.values import FinishReason, GenerationRequest

__all__ = ["Candidate", "write_side_by_side"]

_PATIENCE = 1.35
"""Further candidates may take this much longer than the first one took."""


class Candidate:
    """One answer while it is written.

    Args:
        request: What the engine is asked.
        decoder: Decodes its tokens.
        stop_rule: Tells when there is all that will be kept.
        fits: Tells whether a text that goes on from this can still be of use.

    Attributes:
        finish_reason: Why it ended; None where it was broken off.
        is_superseded: Whether it was given up because of what was typed meanwhile.
    """

    def __init__(
        self,
        request: GenerationRequest,
        *,
        decoder: StreamDecoder,
        stop_rule: StopRule,
        fits: Callable[[str], bool],
    ) -> None:
        """Prepare; ``write`` generates."""
        self.request = request
        self.finish_reason: FinishReason | None = None
        self.is_superseded = False
        self._decoder = decoder
        self._stop_rule = stop_rule
        self._fits = fits
        self._held = request.hold.text if request.hold else ""
        self._written = ""

    @property
    def written(self) -> str:
        """All that the model wrote."""
        return self._written

    @property
    def text(self) -> str:
        """What the model wrote behind the text that it had to begin with."""
        return self._written[len(self._held) :]

    @property
    def keeps_hold(self) -> bool:
        """Whether what was written begins with what it has to, as far as it goes."""
        return self._written.startswith(self._held) or self._held.startswith(
            self._written
        )

    @property
    def is_whole(self) -> bool:
        """Whether it came to its end, and goes on from what it had to begin with."""
        has_ended = self.finish_reason is not None and not self.is_superseded
        return has_ended and self._written.startswith(self._held)

    def still_fits(self) -> bool:
        """Look whether it is still of use; once it is not, it never is again."""
        self.is_superseded |= not self._fits(self.text)
        return not self.is_superseded

    async def write(self, engine: Engine, trace: RequestTrace) -> None:
        """Generate until the model or the stop rule ends it.

        Leaving the stream early aborts the request in the engine.

        Raises:
            EngineError: The engine failed.
        """
        async with aclosing(engine.generate(self.request)) as deltas:
            async for delta in deltas:
                # The first has left the prompt in the engine's cache for the others.
                trace.delta_came(
                    replace(delta, num_cached_tokens=0)
                    if self.request.candidate
                    else delta
                )
                has_all = self._take(self._decoder.feed(delta.token_ids))
                if has_all or not self.keeps_hold or not self.still_fits():
                    self.finish_reason = FinishReason.STOP
                    return
                if delta.finish_reason is not None:
                    self._take(self._decoder.finish())
                    self.finish_reason = delta.finish_reason
                    return

    def _take(self, piece: str) -> bool:
        """Take the next piece; tell whether there is all that will be kept."""
        before = max(len(self._written), len(self._held))
        self._written += piece
        new = self._written[before:]
        return bool(new) and self._stop_rule.feed(new)


async def write_side_by_side(
    candidates: Sequence[Candidate],
    *,
    engine: Engine,
    trace: RequestTrace,
    typed: TypedAhead,
    deadline_ms: int,
) -> bool:
    """Let the engine write every candidate; tell whether the first ended in time.

    One that is of no use any more is aborted in the engine at once, and so are those
    that are still written when the first has long ended. Cancelling aborts all.

    Args:
        candidates: What to write, the best guess first.
        engine: Writes.
        trace: Takes the times.
        typed: What is typed meanwhile.
        deadline_ms: At most this long; 0 waits without end.

    Raises:
        EngineError: The engine failed.
    """
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    tasks: list[asyncio.Task[None]] = []
    timers: list[asyncio.TimerHandle] = []

    def look() -> None:
        for candidate, task in zip(candidates, tasks, strict=True):
            if not task.done() and not candidate.still_fits():
                task.cancel()

    def hurry(_: asyncio.Task[None]) -> None:
        if candidates[0].is_superseded:
            return
        left_s = (loop.time() - began_s) * (_PATIENCE - 1)
        timers.extend(loop.call_later(left_s, task.cancel) for task in tasks[1:])

    try:
        with typed.watched(look):
            async with asyncio.timeout(deadline_ms / 1e3 or None):
                async with asyncio.TaskGroup() as group:
                    tasks += [
                        group.create_task(each.write(engine, trace))
                        for each in candidates
                    ]
                    if tasks[1:]:
                        tasks[0].add_done_callback(hurry)
    except TimeoutError:
        return False
    except BaseExceptionGroup as failures:
        # They have one cause: the engine. The first to fail tells it.
        raise failures.exceptions[0] from None
    finally:
        for timer in timers:
            timer.cancel()
    return True
