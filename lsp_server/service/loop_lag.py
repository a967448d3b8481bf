"""Watches how late the event loop is, and says what to give up for it."""

import asyncio
import logging
import time
from collections.abc import Callable

__all__ = ["LoopLag"]

_log = logging.getLogger(__name__)

_TICK_S = 0.05
"""How often the loop is watched."""

_LATE_S, _LATE_BUSY_S = 0.06, 0.015
"""A loop that is later than this is behind; the second is for one that computed itself.
Another process on its core makes it late as well, and refusing mends nothing."""

_BUSY_SHARE = 0.4
"""A loop that computes for this share of a tick is busy."""

_RISE, _FALL = 0.05, 0.01
_SHORT_LEVEL = 0.2
"""Up to here answers are shorter, and none is refused."""

_MOST_SHARE = 0.9
"""Some requests always go through: only they show that the load is over."""


class LoopLag:
    """Says while the loop is late that answers be shorter, and what to refuse.

    One process reads what every editor types, builds prompts and filters answers. Where
    that is more than a core can do, the loop falls behind, each answer comes when the
    next key has made it useless, and only work for answers that nobody sees is done. So
    answers are to be shorter, and where that is not enough a share of the requests is
    refused before any work. Every tick that share rises while the loop is late, and
    falls more slowly while it is not: it settles where the loop just keeps up.

    Args:
        cpu_s: Returns the processor time of the loop's thread, in seconds.
    """

    def __init__(self, cpu_s: Callable[[], float] = time.thread_time) -> None:
        """Begin in time; nothing is watched before the first request."""
        self._cpu_s = cpu_s
        self._began_cpu_s = 0.0
        self._level = 0.0
        self._owed = 0.0
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_asked = False

    @property
    def share(self) -> float:
        """The share of the requests that are refused, 0 to 0.9."""
        return max(0.0, self._level - _SHORT_LEVEL)

    @property
    def is_behind(self) -> bool:
        """Whether the loop was late of late, so that answers are to be shorter."""
        return self._level > 0

    def refuses(self) -> bool:
        """Count a request, and return whether it is one of those to refuse."""
        self._is_asked = True
        if self._timer is None:
            self._watch()
        self._owed += self.share
        if self._owed < 1:
            return False
        self._owed -= 1
        return True

    def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + _TICK_S
        self._began_cpu_s = self._cpu_s()
        self._timer = loop.call_at(self._due_s, self._tick)

    def _tick(self) -> None:
        """See how late this is; watch on while requests come or are refused."""
        late_s = asyncio.get_running_loop().time() - self._due_s
        worked_s = self._cpu_s() - self._began_cpu_s
        is_busy = worked_s >= _BUSY_SHARE * (_TICK_S + late_s)
        before = (self.is_behind, self.share > 0)
        if late_s > (_LATE_BUSY_S if is_busy else _LATE_S):
            most = _SHORT_LEVEL + _MOST_SHARE
            self._level = min(most, self._level + _RISE)
        else:
            self._level = max(0.0, self._level - _FALL)
        now = shortens, refuses = (self.is_behind, self.share > 0)
        if before != now:
            late_ms = round(late_s * 1e3)
            extra = {"late_ms": late_ms, "shortens": shortens, "refuses": refuses}
            _log.info("loop.lag", extra=extra)
        if not refuses:
            self._owed = 0.0
        self._timer = None
        if self._is_asked or shortens:
            self._is_asked = False
            self._watch()
