"""When an engine counts as dead, and how patiently it is started again."""

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
    """When an engine counts as dead, and how patiently it is started again.

    Attributes:
        start_timeout_s: After this many seconds a start counts as failed.
        max_restarts: Restarts in a row, without a sign of life between them, before
            the engine is given up.
        first_delay_s: Pause before the first restart; it doubles with each one.
        longest_delay_s: The pause does not grow beyond this.
        watch_interval_s: How often the engine's health is looked at.
        probe_after_s: An engine that has owed a token for this long is asked for one
            by the supervisor itself, since whoever asked may have gone.
        idle_timeout_s: An engine that has owed a token for this long, and computed
            nothing all the while, counts as hung.
        stall_timeout_s: So does one that has owed a token for this long, whatever it
            computes: reading a long prompt on a slow machine takes its time.
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
        """Return a policy of what the user may set, and the defaults for the rest."""
        return cls(
            start_timeout_s=config.start_timeout_s, max_restarts=config.max_restarts
        )

    def delay_s(self, restarts: int) -> float:
        """The pause before the restart with this number, counted from 1."""
        return min(self.longest_delay_s, self.first_delay_s * 2.0 ** (restarts - 1))

    @staticmethod
    def gives_up_at_once(error: Exception, *, was_ready: bool) -> bool:
        """Whether another start would fail in the same way.

        What an engine lacks that was ready before may come back: the memory of a
        process that was killed is not always free at once.
        """
        if isinstance(error, EngineStartError):
            return error.lasting and not was_ready
        return isinstance(error, ModelError | ConfigError)


class StallClock:
    """For how long an engine has owed a token.

    The debt begins with the first request after a token, and only a token pays it: a
    request that was taken back or timed out has been owed one all the same.

    Args:
        now_s: A clock.
    """

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begin without a debt."""
        self._now_s = now_s
        self._owed_since_s: float | None = None
        self._cpu_s: float | None = None
        self._looked_at_s = self._worked_at_s = now_s()

    def asked(self) -> None:
        """Note that the engine has been asked for tokens."""
        if self._owed_since_s is None:
            self._owed_since_s = self._now_s()

    def answered(self, *, others_wait: bool) -> None:
        """Note that a token came; other requests may still wait for theirs."""
        self._owed_since_s = self._now_s() if others_wait else None

    def looked(self, cpu_s: float | None) -> None:
        """Note how much processor time the engine has used until now."""
        now_s = self._now_s()
        if cpu_s is not None and self._cpu_s is not None:
            share = (cpu_s - self._cpu_s) / max(now_s - self._looked_at_s, 1e-3)
            if share > _IDLE_SHARE:
                self._worked_at_s = now_s
        self._cpu_s, self._looked_at_s = cpu_s, now_s

    @property
    def owed_for_s(self) -> float:
        """How long a token has been owed, in seconds; 0 where none is."""
        if self._owed_since_s is None:
            return 0.0
        return self._now_s() - self._owed_since_s

    def is_hung(self, policy: RestartPolicy) -> bool:
        """Whether the engine will not pay any more."""
        if self._owed_since_s is None:
            return False
        idle_since_s = max(self._owed_since_s, self._worked_at_s)
        return (
            self._now_s() - idle_since_s > policy.idle_timeout_s
            or self.owed_for_s > policy.stall_timeout_s
        )
