"""Decides when an engine counts as hung, and how often it is started again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from lsp_server.config import EngineConfig
from lsp_server.errors import ConfigError, EngineStartError, ModelError

__all__ = ["RestartPolicy", "StallClock"]

#: A process that uses less of a core than this is not computing.
_IDLE_SHARE = 0.05


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
    """

    start_timeout_s: float = 600.0
    max_restarts: int = 5
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    watch_interval_s: float = 0.5
    probe_after_s: float = 2.0
    idle_timeout_s: float = 8.0
    stall_timeout_s: float = 60.0

    @classmethod
    def from_config(cls, config: EngineConfig) -> Self:
        """Return the policy with the user's settings, and defaults for the rest."""
        return cls(
            start_timeout_s=config.start_timeout_s, max_restarts=config.max_restarts
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

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        """Start with no token overdue."""
        self._now_s = now_s
        self._waiting_since_s: float | None = None
        self._cpu_s: float | None = None
        self._noted_at_s = self._worked_at_s = now_s()

    def note_request(self) -> None:
        """Note that a request was sent to the engine."""
        if self._waiting_since_s is None:
            self._waiting_since_s = self._now_s()

    def note_token(self, *, others_wait: bool) -> None:
        """Note that a token arrived, and whether other requests still wait."""
        self._waiting_since_s = self._now_s() if others_wait else None

    def note_cpu_time(self, cpu_s: float | None) -> None:
        """Note how much processor time the engine has used in all, in seconds."""
        now_s = self._now_s()
        if cpu_s is not None and self._cpu_s is not None:
            share = (cpu_s - self._cpu_s) / max(now_s - self._noted_at_s, 1e-3)
            if share > _IDLE_SHARE:
                self._worked_at_s = now_s
        self._cpu_s, self._noted_at_s = cpu_s, now_s

    @property
    def overdue_s(self) -> float:
        """For how long a token has been overdue, in seconds; 0 where none is."""
        if self._waiting_since_s is None:
            return 0.0
        return self._now_s() - self._waiting_since_s

    def is_hung(self, policy: RestartPolicy) -> bool:
        """Return whether a token has been overdue for longer than the policy allows."""
        if self._waiting_since_s is None:
            return False
        idle_since_s = max(self._waiting_since_s, self._worked_at_s)
        return (
            self._now_s() - idle_since_s > policy.idle_timeout_s
            or self.overdue_s > policy.stall_timeout_s
        )
