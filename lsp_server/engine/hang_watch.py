"""Notices that an engine hangs: by overdue tokens, and by a canary while it is idle."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine

from lsp_server.engine.restart_policy import RestartPolicy
from lsp_server.engine_values import EngineHealth
from lsp_server.errors import MidfillError
from lsp_server.values import GenerationRequest, Priority

__all__ = ["CANARY", "HangWatch", "StallClock"]

#: Sent to an engine that owes a token or that nobody has asked for a while, to see
#: whether it still generates.
CANARY = GenerationRequest(
    request_id="engine-probe",
    token_ids=(0, 0),
    max_tokens=1,
    priority=Priority.EXPLICIT,
)

#: A process that uses less of a core than this is not computing.
_IDLE_SHARE = 0.05

#: Checks that come later than this say that this process stood still, as after a
#: SIGSTOP, and nothing of the engine.
_LATE_CHECK_S = 3.0


class StallClock:
    """Measures for how long a token has been overdue.

    The time runs from the first request after a token until the next token. It goes on
    when a request is cancelled or times out, so that a hang is noticed even if every
    request ends before the limit.

    Args:
        now_s: A clock, in seconds.
    """

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        """Start with no token overdue."""
        self._now_s = now_s
        self._waiting_since_s: float | None = None
        self._cpu_s: float | None = None
        self._checked_at_s = self._worked_at_s = self._quiet_since_s = now_s()

    def note_request(self) -> None:
        """Note that a request was sent to the engine."""
        if self._waiting_since_s is None:
            self._waiting_since_s = self._now_s()

    def note_token(self, *, others_wait: bool) -> None:
        """Note that a token arrived, and whether other requests still wait."""
        self._quiet_since_s = self._now_s()
        self._waiting_since_s = self._quiet_since_s if others_wait else None

    def note_cpu_time(self, cpu_s: float | None) -> None:
        """Note how much processor time the engine has used in all, in seconds.

        Call it at every check: a long time between two calls is not counted.
        """
        now_s = self._now_s()
        since_check_s = now_s - self._checked_at_s
        if since_check_s > _LATE_CHECK_S:
            self._quiet_since_s += since_check_s
            if self._waiting_since_s is not None:
                self._waiting_since_s += since_check_s
        if cpu_s is not None and self._cpu_s is not None:
            share = (cpu_s - self._cpu_s) / max(since_check_s, 1e-3)
            if share > _IDLE_SHARE:
                self._worked_at_s = now_s
        self._cpu_s, self._checked_at_s = cpu_s, now_s

    @property
    def overdue_s(self) -> float:
        """For how long a token has been overdue, in seconds; 0 where none is."""
        if self._waiting_since_s is None:
            return 0.0
        return self._now_s() - self._waiting_since_s

    @property
    def quiet_s(self) -> float:
        """How long ago the latest token came, in seconds."""
        return self._now_s() - self._quiet_since_s

    def is_hung(self, *, idle_timeout_s: float, stall_timeout_s: float) -> bool:
        """Return whether a token is overdue for too long.

        Args:
            idle_timeout_s: The longest time without a token and without work.
            stall_timeout_s: The longest time without a token.
        """
        if self._waiting_since_s is None:
            return False
        idle_since_s = max(self._waiting_since_s, self._worked_at_s)
        return (
            self._now_s() - idle_since_s > idle_timeout_s
            or self.overdue_s > stall_timeout_s
        )


class HangWatch:
    """Watches one engine for as long as it runs.

    Args:
        policy: The time limits.
        send_canary: Has the engine generate `CANARY`, as a request like any other.
        device: Where the engine computes.
        clock: Measures for how long a token has been overdue.
    """

    def __init__(
        self,
        policy: RestartPolicy,
        send_canary: Callable[[], Coroutine[None, None, None]],
        *,
        device: str,
        clock: StallClock | None = None,
    ) -> None:
        """Start with an engine that owes nothing."""
        self._policy = policy
        self._send_canary = send_canary
        self._stall_timeout_s = (
            policy.gpu_stall_timeout_s if device == "cuda" else policy.stall_timeout_s
        )
        self._clock = clock or StallClock()
        self._canary: asyncio.Task[None] | None = None
        self._only_canary_waits = False

    def note_request(self, request: GenerationRequest, *, others_wait: bool) -> None:
        """Note that a request was sent to the engine, and whether others wait."""
        self._only_canary_waits = request is CANARY and not (
            others_wait or self._clock.overdue_s
        )
        self._clock.note_request()

    def note_token(self, *, others_wait: bool) -> None:
        """Note that a token arrived, and whether other requests still wait."""
        self._clock.note_token(others_wait=others_wait)

    def check(self, health: EngineHealth) -> str:
        """Return why the engine counts as hung, as a clause; empty if it does not.

        Call it every `RestartPolicy.watch_interval_s`; it sends a canary where one is
        due.
        """
        policy, clock = self._policy, self._clock
        clock.note_cpu_time(health.cpu_s)
        # One token of a tiny prompt takes no engine long, whatever it computes.
        stall_s = (
            policy.idle_timeout_s if self._only_canary_waits else self._stall_timeout_s
        )
        if clock.is_hung(idle_timeout_s=policy.idle_timeout_s, stall_timeout_s=stall_s):
            return f"the engine hung for {clock.overdue_s:.0f} s"
        is_late = clock.overdue_s > policy.probe_after_s
        is_quiet = 0 < policy.canary_interval_s < clock.quiet_s
        if (is_late or is_quiet) and (self._canary is None or self._canary.done()):
            self._canary = asyncio.create_task(self._ask(), name="engine-canary")
        return ""

    def close(self) -> None:
        """Stop to ask the engine."""
        if self._canary is not None:
            self._canary.cancel()

    async def _ask(self) -> None:
        """Send a canary; errors are ignored, as only the clock matters."""
        with contextlib.suppress(MidfillError):
            await self._send_canary()
