"""The rules by which a request may wait for an engine, or is refused when it comes."""

import asyncio

from lsp_server.config import AdmissionConfig
from lsp_server.outcomes import OverloadStep
from lsp_server.service.fair_queue import FairQueue, Ticket
from lsp_server.service.gate import full_error, user_full_error
from lsp_server.service.overload import LoadMeter
from lsp_server.values import Priority

__all__ = ["EXPECTED_SHARE", "AdmissionRules"]

EXPECTED_SHARE = 1 / 4
"""A request may wait if this share of its time is expected to be enough.

How long turns take varies, most on a CPU, where one prompt holds up all others, and
users whose turn is longer ago go first. With all of the time, many refusals came after
half a second in vain; with a third, 1.4 % of them (`benchmarks/overload.py`).
"""

_SHEDDING_SHARE = 1 / 12
"""The same while requests are being refused: those that wait then only wait longer.

With a quarter, accepted ones took 2.2 times as long at the 99th percentile as at
capacity, and the engine did not do more.
"""


class AdmissionRules:
    """What may wait in a queue, and for how long.

    Args:
        config: The limits.
        queue: What waits already.
        meter: How long requests take.
    """

    def __init__(
        self, config: AdmissionConfig, queue: FairQueue, meter: LoadMeter
    ) -> None:
        self._config = config
        self._queue = queue
        self._meter = meter

    def pressure(self) -> float:
        """Return how loaded the engine is for a user who has nothing waiting."""
        return self._meter.pressure(
            users=self._queue.users_waiting(Priority.AUTOMATIC),
            waiting=len(self._queue),
            now_s=asyncio.get_running_loop().time(),
        )

    def latest_s(self, priority: Priority, deadline_s: float | None) -> float | None:
        """Return when a request that comes now must not be scheduled any more.

        Args:
            priority: How urgent it is; one that was asked for by hand has its own
                deadline only.
            deadline_s: Its own deadline.

        Returns:
            The moment by the loop's clock; None if it may wait without end.
        """
        if priority < Priority.AUTOMATIC or not self._config.max_wait_ms:
            return deadline_s
        now_s = asyncio.get_running_loop().time()
        latest_s = now_s + self._config.max_wait_ms / 1e3
        return latest_s if deadline_s is None else min(latest_s, deadline_s)

    def place_for(
        self,
        subject: str,
        *,
        user: str,
        priority: Priority,
        left_s: float,
        step: OverloadStep,
    ) -> Ticket | None:
        """Find a place in the queue while the engine is full.

        Args:
            subject: The request.
            user: Whose it is.
            priority: How urgent it is.
            left_s: How long it may wait, in seconds.
            step: How far the load is being shed.

        Returns:
            Who has to give way; None if there is room.

        Raises:
            OverloadedError: The engine has no time for it.
            UserOverloadedError: It would have, but for this user's other requests.
        """
        queue, meter = self._queue, self._meter
        ahead = queue.ahead_of(user, priority)
        wait_s = meter.wait_s(ahead + 1)
        if queue.waiting_of(user) >= self._config.per_user:
            raise user_full_error(subject, wait_s)
        if step > OverloadStep.NORMAL and priority >= Priority.SPECULATIVE:
            raise full_error(subject, wait_s)
        # Whoever is next may wait, however long a request takes.
        is_shedding = step >= OverloadStep.REJECT
        limit_s = left_s * (_SHEDDING_SHARE if is_shedding else EXPECTED_SHARE)
        if ahead and wait_s > limit_s:
            first_s = meter.wait_s(queue.ahead_of_newcomer(priority) + 1)
            is_own_doing = first_s <= limit_s
            raise (user_full_error if is_own_doing else full_error)(subject, wait_s)
        if len(queue) < self._config.queue_length:
            return None
        victim = queue.to_displace(user, priority)
        if victim is None:
            raise full_error(subject, wait_s)
        return victim
