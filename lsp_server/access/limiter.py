"""The limits of each key: how often, how many at once, how many tokens in a day.

All of them count by a monotonic clock: a wall clock that is set back or forth neither
locks a key out nor opens it. Counts are those of this process since its start.
"""

import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from lsp_server.access.keys import Key, KeyLimits
from lsp_server.errors import QuotaError

__all__ = ["Charge", "Limiter", "Limits"]

_HOUR_S = 3600.0
_WINDOW_HOURS = 24
_BURST_S = 2.0
_ROUNDING = 1e-6
_CONCURRENT_RETRY_S = 1.0
"""When a request ends is not known; a second is longer than most of them take."""

Clock = Callable[[], float]


@dataclass(slots=True, kw_only=True)
class _Spent:
    """The tokens of one hour of the monotonic clock."""

    hour: int
    tokens: int = 0


@dataclass(slots=True, kw_only=True)
class _Usage:
    """What one key has used.

    Attributes:
        allowance: Requests that may come now, as of ``counted_s``.
        counted_s: When ``allowance`` was computed.
        running: Requests that are worked on.
        spent: Tokens by hour, the oldest first.
    """

    allowance: float
    counted_s: float
    running: int = 0
    spent: deque[_Spent] = field(default_factory=deque)


class Charge(Protocol):
    """What the tokens of a request that runs are charged to."""

    def settle(self, tokens: int) -> None:
        """Charge what the request really took, in place of what was reserved."""
        ...


class Limits(Protocol):
    """Holds every key to its limits; see `Limiter`."""

    async def check(self, key: Key) -> None:
        """Refuse what `admit` would refuse; it counts nothing.

        Raises:
            QuotaError: A limit is reached; it says when to try again.
        """
        ...

    def admit(self, key: Key, tokens: int) -> AbstractAsyncContextManager[Charge]:
        """Let a request run while the block does, if the key's limits allow it."""
        ...


class Grant:
    """A request's permission to run: the `Charge` of a `Limiter`."""

    def __init__(self, hour: _Spent, tokens: int) -> None:
        self._hour = hour
        self._charged = tokens
        hour.tokens += tokens

    def settle(self, tokens: int) -> None:
        """Charge what the request really took, in place of what was reserved.

        A request that is never settled costs what was reserved for it.
        """
        self._hour.tokens += tokens - self._charged
        self._charged = tokens


class Limiter:
    """Holds every key to its limits.

    Args:
        clock: Returns monotonic time in seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._usage: dict[str, _Usage] = {}

    async def check(self, key: Key) -> None:
        """Check that `admit` would let in the smallest request; it counts nothing.

        What it refuses need not be read or tokenised.

        Raises:
            QuotaError: A limit is reached; it says when to try again.
        """
        usage = self._usage.get(key.key_id)
        if usage is None:
            return
        now_s = self._clock()
        _require_free_place(key, usage)
        _require_tokens(key, usage, 1, now_s)
        _require_rate(key, usage, now_s)

    @asynccontextmanager
    async def admit(self, key: Key, tokens: int) -> AsyncGenerator[Charge]:
        """Let a request run while the block does, if the key's limits allow it.

        A refused request counts towards no limit.

        Args:
            key: Whose request it is.
            tokens: The most tokens that it may take, of prompts and answers together;
                reserved until `Grant.settle` says what it took.

        Raises:
            QuotaError: A limit is reached; it says when to try again.
        """
        now_s = self._clock()
        usage = self._usage.setdefault(
            key.key_id, _Usage(allowance=_burst(key.limits), counted_s=now_s)
        )
        _forget_old(usage, now_s)
        _require_free_place(key, usage)
        _require_tokens(key, usage, tokens, now_s)
        _require_rate(key, usage, now_s)
        usage.allowance -= 1
        usage.running += 1
        try:
            yield Grant(_hour_of(usage, now_s), tokens)
        finally:
            usage.running -= 1

    def tokens_left(self, key: Key) -> int | None:
        """Return how many tokens a key may still take now; None without a quota."""
        quota = key.limits.tokens_per_day
        usage = self._usage.get(key.key_id)
        if not quota:
            return None
        return max(0, quota - (_spent(usage, self._clock()) if usage else 0))


def _require_free_place(key: Key, usage: _Usage) -> None:
    """Check that the key may have one more request in flight.

    Raises:
        QuotaError: It has as many as it may.
    """
    most = key.limits.concurrent
    if most and usage.running >= most:
        raise QuotaError(
            f"{most:,} requests of this key are running, and no more may",
            subject=f"key {key.key_id}",
            remedy="wait for one of them to end",
            retry_after_s=_CONCURRENT_RETRY_S,
        )


def _require_tokens(key: Key, usage: _Usage, tokens: int, now_s: float) -> None:
    """Check that the day's quota holds the request.

    Raises:
        QuotaError: It does not.
    """
    quota = key.limits.tokens_per_day
    if not quota:
        return
    excess = _spent(usage, now_s) + tokens - quota
    if excess <= 0:
        return
    retry_after_s = _WINDOW_HOURS * _HOUR_S
    for spent in usage.spent:
        excess -= spent.tokens
        if excess <= 0:
            retry_after_s = (spent.hour + _WINDOW_HOURS + 1) * _HOUR_S - now_s
            break
    left = max(0, quota - _spent(usage, now_s))
    raise QuotaError(
        f"the request may take {tokens:,} tokens, and of this key's {quota:,} in 24 "
        f"hours {left:,} are left"
        if left
        else f"this key's {quota:,} tokens of 24 hours are used up",
        subject=f"key {key.key_id}",
        remedy="wait, ask for fewer tokens, or have the quota raised",
        retry_after_s=retry_after_s,
    )


def _require_rate(key: Key, usage: _Usage, now_s: float) -> None:
    """Check that the key's rate allows one more request now.

    Raises:
        QuotaError: Its rate is used up.
    """
    rate = key.limits.requests_per_s
    if not rate:
        return
    earned = max(0.0, now_s - usage.counted_s) * rate
    usage.allowance = min(_burst(key.limits), usage.allowance + earned)
    usage.counted_s = now_s
    if usage.allowance < 1 - _ROUNDING:
        raise QuotaError(
            f"this key may send {rate:g} requests a second, and sent more",
            subject=f"key {key.key_id}",
            remedy="send fewer, or have the rate raised",
            retry_after_s=(1 - usage.allowance) / rate,
        )


def _hour_of(usage: _Usage, now_s: float) -> _Spent:
    """Return what is spent in this hour, for adding to it."""
    hour = int(now_s // _HOUR_S)
    if not usage.spent or usage.spent[-1].hour != hour:
        usage.spent.append(_Spent(hour=hour))
    return usage.spent[-1]


def _spent(usage: _Usage, now_s: float) -> int:
    """Return the tokens of the last 24 to 25 hours."""
    _forget_old(usage, now_s)
    return sum(each.tokens for each in usage.spent)


def _forget_old(usage: _Usage, now_s: float) -> None:
    """Remove the hours that count towards no quota any more."""
    oldest = int(now_s // _HOUR_S) - _WINDOW_HOURS
    while usage.spent and usage.spent[0].hour < oldest:
        usage.spent.popleft()


def _burst(limits: KeyLimits) -> float:
    """Return how many requests may come at once."""
    return limits.burst or max(1.0, math.ceil(limits.requests_per_s * _BURST_S))
