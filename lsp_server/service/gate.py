"""Refuses a request by the engine's load, before any work is done for it.

An engine with an `Admission` round it refuses a request when it comes. Whoever builds a
prompt first asks the gate: tokenising for a request that is refused would be the work
that an overloaded server has no time for.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from lsp_server.errors import (
    DeadlinePassedError,
    OverloadedError,
    UserOverloadedError,
)
from lsp_server.outcomes import OverloadStep
from lsp_server.values import Priority

__all__ = [
    "Elsewhere",
    "Gate",
    "NothingElsewhere",
    "OpenGate",
    "deadline_after",
    "ending_error",
    "full_error",
    "late_error",
    "user_full_error",
]

_LEAST_RETRY_S = 1.0
"""HTTP's Retry-After counts whole seconds."""


class Gate(Protocol):
    """Says what an engine's load allows."""

    def step_for(self, user: str) -> OverloadStep:
        """Return how far the load is shed for a request of this user."""
        ...

    def load_beside(self, user: str) -> float:
        """Return the share of the engine that others than this user use, 0 to 1."""
        ...

    def keep_up(self, priority: Priority) -> None:
        """Refuse a share of the requests while the server itself is behind.

        Call it once for each request, before any work for it.

        Raises:
            OverloadedError: It is one of that share.
        """
        ...

    def check(self, *, user: str, priority: Priority, deadline_s: float | None) -> None:
        """Refuse a request that would not be scheduled.

        Args:
            user: Whose request it is.
            priority: How urgent it is.
            deadline_s: When it must not be scheduled any more, by the loop's clock.

        Raises:
            OverloadedError: It would not be scheduled, with the reason.
        """
        ...


class Elsewhere(Protocol):
    """What other processes ask of the same engine."""

    @property
    def generations(self) -> int:
        """How many generations of theirs run and wait."""
        ...

    @property
    def step(self) -> OverloadStep:
        """How far the load of all of them is being shed."""
        ...

    def watch(self, watcher: Callable[[OverloadStep], None]) -> Callable[[], None]:
        """Call ``watcher`` whenever the step changes; return what ends that."""
        ...


class NothingElsewhere:
    """The engine is this process's alone."""

    generations = 0
    step = OverloadStep.NORMAL

    def watch(self, watcher: Callable[[OverloadStep], None]) -> Callable[[], None]:  # noqa: ARG002 - nothing changes
        """Call nobody."""
        return lambda: None


class OpenGate:
    """The gate of an engine that takes whatever comes."""

    def step_for(self, user: str) -> OverloadStep:  # noqa: ARG002 - all are the same
        """Return that no load is shed."""
        return OverloadStep.NORMAL

    def load_beside(self, user: str) -> float:  # noqa: ARG002 - it knows no users
        """Return that nobody uses the engine."""
        return 0.0

    def keep_up(self, priority: Priority) -> None:
        """Refuse nothing."""

    def check(self, *, user: str, priority: Priority, deadline_s: float | None) -> None:
        """Refuse nothing."""


def deadline_after(deadline_ms: int) -> float | None:
    """Return when a request that arrives now is of no use, by the loop's clock.

    Args:
        deadline_ms: How long it has, in milliseconds; 0 is without a limit.
    """
    if not deadline_ms:
        return None
    return asyncio.get_running_loop().time() + deadline_ms / 1e3


def full_error(subject: str, wait_s: float) -> OverloadedError:
    """Make the error of a request for which the server has no time.

    Args:
        subject: The request.
        wait_s: How long the wait would be, in seconds.
    """
    return OverloadedError(
        "the server is busy",
        subject=subject,
        remedy="try again later",
        retry_after_s=max(wait_s, _LEAST_RETRY_S),
    )


def user_full_error(subject: str, wait_s: float) -> UserOverloadedError:
    """Make the error of a request whose user has enough waiting already."""
    return UserOverloadedError(
        "too many requests of this user are waiting",
        subject=subject,
        remedy="wait for their answers before sending more",
        retry_after_s=max(wait_s, _LEAST_RETRY_S),
    )


def late_error(subject: str, wait_s: float) -> DeadlinePassedError:
    """Make the error of a request whose time is over before its turn."""
    return DeadlinePassedError(
        "its time was over before its turn came",
        subject=subject,
        remedy="try again later, or allow it more time",
        retry_after_s=max(wait_s, _LEAST_RETRY_S),
    )


def ending_error(subject: str) -> OverloadedError:
    """Make the error of a request to a server that ends."""
    return OverloadedError(
        "the server is shutting down",
        subject=subject,
        remedy="try again when it has been started again",
        retry_after_s=_LEAST_RETRY_S,
    )
