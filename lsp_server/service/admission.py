"""An engine that is given no more than it can do.

`Admission` is an `Engine` round an engine. Only as many requests as the engine computes
side by side are in it; which one goes next, which ones wait and which are refused is
decided by `turns`, and which begin together by `joined_starts`. How far the load is
being shed is its `step`.
"""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager

from lsp_server.config import AdmissionConfig
from lsp_server.engine.base import Engine
from lsp_server.engine_values import EngineHealth, EngineInfo
from lsp_server.errors import EngineError
from lsp_server.metrics import Metrics, NoMetrics
from lsp_server.outcomes import OverloadStep
from lsp_server.service.gate import Elsewhere, NothingElsewhere, full_error
from lsp_server.service.joined_starts import JoinedStarts
from lsp_server.service.overload import LoopLag
from lsp_server.service.turns import Turns
from lsp_server.values import FinishReason, GenerationRequest, Priority, TokenDelta

__all__ = ["Admission"]

_log = logging.getLogger(__name__)

_ABORT_LIMIT_S = 2.0
"""How long aborted requests have to leave the engine before a drain gives them up."""


class Admission:
    """An `Engine` that orders, limits and refuses requests to another; also a `Gate`.

    Args:
        engine: Generates.
        config: The limits.
        running_limit: How many requests ``engine`` computes side by side; a
            configuration with a limit of its own goes first.
        model: Returns the model's name in metrics.
        metrics: Receives load and step when they change.
        elsewhere: What other processes ask of the same engine; None for nothing.
    """

    def __init__(
        self,
        engine: Engine,
        config: AdmissionConfig,
        *,
        running_limit: int,
        model: Callable[[], str] = str,
        metrics: Metrics | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._engine = engine
        self._elsewhere = elsewhere or NothingElsewhere()
        self._lag = LoopLag()
        self._may_wait_without_end = not config.max_wait_ms
        self._starts = JoinedStarts(config.joined_start_ms)
        self._turns = Turns(
            config,
            running_limit=config.running_limit or running_limit,
            model=model,
            metrics=metrics or NoMetrics(),
        )

    @property
    def info(self) -> EngineInfo:
        """Name, version and device of the engine.

        Raises:
            EngineDeadError: There is no engine at the moment.
        """
        return self._engine.info

    @property
    def step(self) -> OverloadStep:
        """How far the load is being shed, for users who have nothing waiting."""
        return max(self._turns.reporter.step, self._elsewhere.step)

    @property
    def running_limit(self) -> int:
        """How many requests may be in the engine."""
        return self._turns.running_limit

    @property
    def running(self) -> int:
        """How many requests are in the engine."""
        return len(self._turns.running)

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return self._turns.waiting

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in the engine and nothing waits for it."""
        return not (self.running or self.waiting or self._elsewhere.generations)

    @property
    def has_room(self) -> bool:
        """Whether a request would begin at once."""
        return self.running + self._elsewhere.generations < self.running_limit

    @property
    def draining(self) -> bool:
        """Whether new requests are refused because the server ends."""
        return self._turns.is_closed

    def step_for(self, user: str) -> OverloadStep:
        """Return how far the load is shed for a request of this user.

        What one user has waiting takes nothing away from the others.
        """
        return max(self._turns.step_for(user), self._elsewhere.step)

    def load_beside(self, user: str) -> float:
        """Return the share of the engine that others than this user use, 0 to 1.

        What is speculative does not count: it gives way.
        """
        others = self._elsewhere.generations / self.running_limit
        return min(1.0, self._turns.load_beside(user) + others)

    def watch(self, watcher: Callable[[OverloadStep], None]) -> Callable[[], None]:
        """Call ``watcher`` whenever the step changes; return what ends that."""

        def changed(_step: OverloadStep) -> None:
            watcher(self.step)

        ends = [each.watch(changed) for each in (self._turns.reporter, self._elsewhere)]

        def end() -> None:
            for each in ends:
                each()

        return end

    def keep_up(self, priority: Priority) -> None:
        """Refuse a share of the requests while the event loop is late.

        Raises:
            OverloadedError: It is one of that share.
        """
        if priority <= Priority.EXPLICIT or self._may_wait_without_end:
            return
        if self._lag.refuses():
            raise full_error("a request", 0.0)

    def check(self, *, user: str, priority: Priority, deadline_s: float | None) -> None:
        """Refuse a request that would not be scheduled, before it is made.

        Raises:
            OverloadedError: It would not be scheduled, with the reason.
        """
        latest_s = self._turns.latest_s(priority, deadline_s)
        self._turns.require_room(
            "a request", user=user, priority=priority, latest_s=latest_s
        )

    def taken(self) -> AbstractContextManager[None]:
        """Count a request from its arrival on; a drain waits for it.

        What it generates in the block is scheduled also where a drain has begun since.
        """
        return self._turns.taken()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Wait for the request's turn, then generate, one delta after the other.

        Closing the generator takes the request out of the queue or the engine.

        Raises:
            OverloadedError: The request was not scheduled.
            EngineError: As the engine's own.
        """
        clock = asyncio.get_running_loop().time
        asked_s = clock()
        ticket = await self._turns.take(request)
        if ticket is None:
            yield TokenDelta(token_ids=(), finish_reason=FinishReason.ABORT)
            return
        began_s: float | None = clock()
        try:
            may_begin = await self._starts.wait(
                request.request_id,
                running=self.running - 1,
                is_urgent=request.priority is Priority.EXPLICIT,
            )
            if not may_begin:
                began_s = None
                yield TokenDelta(token_ids=(), finish_reason=FinishReason.ABORT)
                return
            waited_ms = (clock() - asked_s) * 1e3
            async with contextlib.aclosing(self._engine.generate(request)) as deltas:
                async for delta in deltas:
                    yield _after_wait(delta, waited_ms) if waited_ms else delta
                    waited_ms = 0.0
        except EngineError:
            began_s = None  # an engine that fails at once says nothing of the next
            raise
        finally:
            taken_s = None if began_s is None else clock() - began_s
            self._turns.give_back(ticket, taken_s)

    async def abort(self, request_id: str) -> None:
        """End a request, waiting or running; an unknown or finished one is ignored."""
        if not self._turns.abort(request_id) and not self._starts.abort(request_id):
            await self._engine.abort(request_id)

    async def health(self) -> EngineHealth:
        """Return the engine's state; never raises."""
        return await self._engine.health()

    async def drain(self, limit_s: float) -> int:
        """Refuse new requests, let those there are end, and abort them at the limit.

        It cannot be taken back. A second call may run beside the first.

        Args:
            limit_s: How long running and waiting requests have, in seconds.

        Returns:
            How many requests were aborted.
        """
        self._turns.is_closed = True
        load = {"running": self.running, "waiting": self.waiting}
        _log.info("admission.drain", extra=load)
        await self._turns.wait_until_idle(limit_s)
        aborted = self.running + self.waiting
        self._turns.refuse_waiting()
        for request_id in self._turns.running:
            await self.abort(request_id)
        await self._turns.wait_until_idle(_ABORT_LIMIT_S)
        _log.info("admission.drained", extra={"aborted": aborted})
        return aborted

    async def close(self) -> None:
        """Refuse what waits, and end the engine. May be called twice."""
        self._turns.is_closed = True
        self._turns.refuse_waiting()
        self._turns.reporter.close()
        self._lag.close()
        await self._engine.close()


def _after_wait(delta: TokenDelta, waited_ms: float) -> TokenDelta:
    """Return a request's first delta with the time that it waited for its turn."""
    queued_ms = waited_ms + (delta.queued_ms or 0.0)
    return dataclasses.replace(delta, queued_ms=queued_ms)
