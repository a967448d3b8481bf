"""Says when an engine counts as hung, and how often it is started again."""

from dataclasses import dataclass
from typing import Self

from lsp_server.config import EngineConfig, EngineKind
from lsp_server.errors import ConfigError, EngineStartError, ModelError

__all__ = ["RestartPolicy"]


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
            # A scripted engine counts its requests, and plays its part to each.
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
