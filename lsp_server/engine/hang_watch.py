"""Notices that an engine hangs, and says how often one is started again.

A hang shows by overdue tokens, and by a canary while the engine is idle.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Self

from lsp_server.config import EngineConfig, EngineKind
from lsp_server.engine_values import EngineHealth
from lsp_server.errors import ConfigError, EngineStartError, MidfillError, ModelError
from lsp_server.values import GenerationRequest, Priority

__all__ = ["CANARY", "HangWatch", "RestartPolicy", "StallClock"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """Time limits for an engine, and how often it is started again.

    Attributes:
        start_timeout_s: After this many seconds a start counts as failed.
        max_restarts: Restarts in a row, without a generated token between them, before
            the engine is given up.
        first_delay_s: Pause before the first restart; it doubles with each one.
        longest_delay_s: The longest pause.
        watch_interval_s: How often the engine's health is checked.
        probe_after_s: After a token has been overdue for this long, the supervisor
            sends a request of its own, since the earlier ones may have been cancelled.
        idle_timeout_s: An engine counts as hung after a token has been overdue for this
            long while it used no processor time.
        stall_timeout_s: An engine counts as hung after a token has been overdue for
            this long, even if it computes; a long prompt on a slow machine takes time.
        gpu_stall_timeout_s: The same for an engine on a GPU, which no prompt keeps
            busy for long, but whose process spins while it waits for a hung GPU.
        canary_interval_s: An engine that nobody asks for this long generates one token
            for the supervisor; 0 is never.
    """

    start_timeout_s: float = 600.0
    max_restarts: int = 5
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    watch_interval_s: float = 0.5
    probe_after_s: float = 2.0
    idle_timeout_s: float = 8.0
    stall_timeout_s: float = 60.0
    gpu_stall_timeout_s: float = 12.0
    canary_interval_s: float = 0.0

    @classmethod
    def from_config(cls, config: EngineConfig) -> Self:
        """Return the policy with the user's settings, and defaults for the rest."""
        is_vllm = config.kind is EngineKind.VLLM
        return cls(
            start_timeout_s=config.start_timeout_s,
            max_restarts=config.max_restarts,
            # A scripted engine counts its requests: a canary would change its answers.
            canary_interval_s=config.canary_interval_s if is_vllm else 0.0,
        )

    def delay_s(self, restarts: int) -> float:
        """Return the pause before the restart with this number, counted from 1."""
        return min(self.longest_delay_s, self.first_delay_s * 2.0 ** (restarts - 1))

    @staticmethod
    def gives_up_at_once(error: Exception, *, was_ready: bool) -> bool:
        """Return whether another start would fail in the same way.

        After an engine was ready once, a lasting start error may still pass: the memory
        of a killed process is not always free at once.

        Args:
            error: Why the engine ended, or did not start.
            was_ready: Whether an engine was ready before.
        """
        if isinstance(error, EngineStartError):
            return error.lasting and not was_ready
        return isinstance(error, ModelError | ConfigError)


class StallClock:
    """Measures for how long a token has been overdue.

    The time runs from the first request after a token until the next token. It goes on
    when a request is cancelled or times out, so that a hang is noticed even if every
    request ends before the limit.

    Args:
        now_s: A clock, in seconds.
    """

    def __init__(self, *, now_s: Callable[[], float]) -> None:
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
        clock: StallClock,
    ) -> None:
        self._policy = policy
        self._send_canary = send_canary
        self._stall_timeout_s = (
            policy.gpu_stall_timeout_s if device == "cuda" else policy.stall_timeout_s
        )
        self._clock = clock
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
        """Cancel the canary that is under way."""
        if self._canary is not None:
            self._canary.cancel()

    async def _ask(self) -> None:
        """Send a canary; errors are ignored, as only the clock matters."""
        with contextlib.suppress(MidfillError):
            await self._send_canary()
