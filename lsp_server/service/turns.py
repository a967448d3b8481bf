"""Schedules the requests of an engine that works on a limited number at a time.

Those that cannot run yet wait: ordered by priority and fairly between users
(`fair_queue`), free to leave, and refused when their time is over, or at once where it
would be (`admission_rules`).
"""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from lsp_server.config import AdmissionConfig
from lsp_server.errors import OverloadedError, UserOverloadedError
from lsp_server.metrics import Metrics
from lsp_server.outcomes import OverloadStep
from lsp_server.service.admission_rules import EXPECTED_SHARE, AdmissionRules
from lsp_server.service.fair_queue import FairQueue, Ticket
from lsp_server.service.gate import ending_error, full_error, late_error
from lsp_server.service.overload import LoadMeter, LoadReporter, step_at
from lsp_server.values import GenerationRequest, Priority

__all__ = ["Turns"]

_IS_TAKEN: ContextVar[bool] = ContextVar("taken", default=False)
"""Whether this task belongs to a request that came before the server began to end."""


class Turns:
    """Who runs and who waits.

    Args:
        config: The limits.
        running_limit: How many run at a time.
        model: Returns the model's name in metrics.
        metrics: Receives load and step when they change.
    """

    def __init__(
        self,
        config: AdmissionConfig,
        *,
        running_limit: int,
        model: Callable[[], str],
        metrics: Metrics,
    ) -> None:
        self.running_limit = self._limit = running_limit
        self._queue = FairQueue()
        self._running: set[Ticket] = set()
        self._running_of: Counter[str] = Counter()
        self._meter = LoadMeter(
            running_limit=running_limit,
            queue_length=config.queue_length,
            max_wait_s=config.max_wait_ms / 1e3 * EXPECTED_SHARE,
        )
        self._rules = AdmissionRules(config, self._queue, self._meter)
        self.reporter = LoadReporter(model, metrics, self._changed)
        self.is_closed = False
        self._taken = 0
        self._idle = asyncio.Event()

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of the requests that run."""
        return tuple(ticket.request_id for ticket in self._running)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._queue)

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Let requests of the block have their turn even if the server begins to end.

        Once it has begun to, this changes nothing.
        """
        if self.is_closed:
            yield
            return
        self._taken += 1
        token = _IS_TAKEN.set(True)
        try:
            yield
        finally:
            _IS_TAKEN.reset(token)
            self._taken -= 1
            self._changed()

    def step_for(self, user: str) -> OverloadStep:
        """Return how far the load is shed for a request of this user."""
        step = self.reporter.step
        if not self._queue.waiting_of(user):
            return step
        own_s = self._meter.wait_s(self._queue.ahead_of(user, Priority.AUTOMATIC))
        return max(step, step_at(self._meter.pressure_of(own_s)))

    def load_beside(self, user: str) -> float:
        """Return the share of the engine that others than this user use, 0 to 1."""
        tickets = itertools.chain(self._running, self._queue)
        others = sum(
            ticket.user != user and ticket.priority <= Priority.AUTOMATIC
            for ticket in tickets
        )
        return min(1.0, others / self._limit)

    def require_room(
        self, subject: str, *, user: str, priority: Priority, latest_s: float | None
    ) -> Ticket | None:
        """Refuse a request that cannot have its turn in time.

        Returns:
            What has to give way in the queue for it; None where there is room.

        Raises:
            OverloadedError: It will not have its turn.
        """
        if self.is_closed and not _IS_TAKEN.get():
            raise ending_error(subject)
        left_s = float("inf")
        if latest_s is not None:
            left_s = latest_s - asyncio.get_running_loop().time()
        if left_s <= 0:
            raise late_error(subject, 0.0)
        if len(self._running) < self._limit:
            return None
        try:
            return self._rules.place_for(
                subject,
                user=user,
                priority=priority,
                left_s=left_s,
                step=self.reporter.step,
            )
        except UserOverloadedError:
            raise
        except OverloadedError:
            if priority <= Priority.AUTOMATIC:
                self._report(1.0)
            raise

    def latest_s(self, priority: Priority, deadline_s: float | None) -> float | None:
        """Return when a request that comes now must not be scheduled any more."""
        return self._rules.latest_s(priority, deadline_s)

    async def take(self, request: GenerationRequest) -> Ticket | None:
        """Wait for a request's turn; `give_back` ends it.

        Returns:
            The ticket to give back; None if the request was aborted while it waited.

        Raises:
            OverloadedError: It will not have its turn.
        """
        subject = f"request {request.request_id}"
        latest_s = self.latest_s(request.priority, request.deadline_s)
        victim = self.require_room(
            subject, user=request.user, priority=request.priority, latest_s=latest_s
        )
        ticket = Ticket(
            request_id=request.request_id,
            user=request.user,
            priority=request.priority,
            latest_s=latest_s,
            turn=asyncio.get_running_loop().create_future(),
        )
        if len(self._running) < self._limit:
            self._begin(ticket)
            self._changed()
            return ticket
        if victim is not None:
            wait_s = self._meter.wait_s(len(self._queue))
            self._refuse(victim, full_error(f"request {victim.request_id}", wait_s))
        return await self._wait(ticket)

    def give_back(self, ticket: Ticket, taken_s: float | None) -> None:
        """End a turn, and begin that of whoever is next.

        Args:
            ticket: Of the request that has left the engine.
            taken_s: How long it was there; None where that says nothing of others.
        """
        if taken_s is not None:
            self._meter.note_taken(taken_s)
        self._running.remove(ticket)
        self._running_of[ticket.user] -= 1
        if not self._running_of[ticket.user]:
            del self._running_of[ticket.user]
        self._queue.had_turn(ticket.user)
        while self._queue and len(self._running) < self._limit:
            following = self._queue.pop(self._running_of)
            now_s = asyncio.get_running_loop().time()
            if following.turn.done():
                continue  # its caller was cancelled a moment ago
            if following.latest_s is not None and following.latest_s <= now_s:
                self._end_of_time(following)  # its timer is late
                continue
            self._meter.note_turn(now_s)
            self._begin(following)
            following.turn.set_result(True)
        self._changed()

    def abort(self, request_id: str) -> bool:
        """Let a waiting request end, and return whether it was waiting."""
        for ticket in self._queue:
            if ticket.request_id == request_id and not ticket.turn.done():
                self._queue.discard(ticket)
                ticket.turn.set_result(False)
                self._changed()
                return True
        return False

    def refuse_waiting(self) -> None:
        """Refuse all that waits, because the server ends."""
        for ticket in tuple(self._queue):
            self._refuse(ticket, ending_error(f"request {ticket.request_id}"))

    async def wait_until_idle(self, limit_s: float) -> None:
        """Wait until nothing runs or waits, but not longer than a limit."""
        self._idle.clear()
        if self._running or self._queue or self._taken:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._idle.wait()

    async def _wait(self, ticket: Ticket) -> Ticket | None:
        """Wait in the queue, as `take` does."""
        loop = asyncio.get_running_loop()
        if not self._queue:
            self._meter.note_turn(loop.time())
        self._queue.add(ticket)
        self._changed()
        timer = None
        if ticket.latest_s is not None:
            timer = loop.call_at(ticket.latest_s, self._end_of_time, ticket)
        try:
            return ticket if await ticket.turn else None
        except asyncio.CancelledError:
            self._take_back(ticket)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _begin(self, ticket: Ticket) -> None:
        """Let a request run."""
        self._running.add(ticket)
        self._running_of[ticket.user] += 1

    def _take_back(self, ticket: Ticket) -> None:
        """Forget a request whose caller was cancelled while it waited."""
        if ticket in self._running:
            self.give_back(ticket, None)  # its turn had come in the same moment
            return
        self._queue.discard(ticket)
        if ticket.turn.done() and not ticket.turn.cancelled():
            ticket.turn.exception()  # nobody else will look at it
        self._changed()

    def _end_of_time(self, ticket: Ticket) -> None:
        """Refuse a request whose time is over while it waits."""
        wait_s = self._meter.wait_s(len(self._queue))
        self._refuse(ticket, late_error(f"request {ticket.request_id}", wait_s))

    def _refuse(self, ticket: Ticket, error: OverloadedError) -> None:
        """Take a request out of the queue, and let its caller fail."""
        self._queue.discard(ticket)
        if not ticket.turn.done():
            ticket.turn.set_exception(error)
            self._changed()

    def _changed(self) -> None:
        """Report the load as it is now."""
        self._report(self._rules.pressure())

    def _report(self, pressure: float) -> None:
        running, waiting = len(self._running), len(self._queue)
        self.reporter.note(pressure, running=running, waiting=waiting)
        if not running and not waiting and not self._taken:
            self._idle.set()
