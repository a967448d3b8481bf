"""How late the event loop is, and which share of the requests is refused for it.

One process reads what every editor types, builds prompts and filters answers. Where
that is more than a core can do, the loop falls behind, each answer comes when the next
key has made it useless, and only work for answers that nobody sees is done. So a share
of the requests is refused before any work, and the others are answered in time.

Every tick the share rises while the loop is late, and falls more slowly while it is
not: it settles where the loop just keeps up.
"""

import asyncio
import logging

__all__ = ["LoopLag"]

_log = logging.getLogger(__name__)

_TICK_S = 0.05
_LATE_S = 0.06
"""A loop that is later than this is behind; garbage collection takes less."""

_RISE, _FALL = 0.05, 0.01
_MOST_SHARE = 0.9
"""Some requests always go through: only they show that the load is over."""


class LoopLag:
    """Watches the event loop while requests come, and says which one to refuse."""

    def __init__(self) -> None:
        """Begin in time; nothing is watched before the first request."""
        self._share = 0.0
        self._owed = 0.0
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_asked = False

    @property
    def share(self) -> float:
        """The share of the requests that are refused, 0 to 0.9."""
        return self._share

    def refuses(self) -> bool:
        """Count a request, and return whether it is one of those to refuse."""
        self._is_asked = True
        if self._timer is None:
            self._watch()
        self._owed += self._share
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
        self._timer = loop.call_at(self._due_s, self._tick)

    def _tick(self) -> None:
        """See how late this is; watch on while requests come or are refused."""
        late_s = asyncio.get_running_loop().time() - self._due_s
        before = self._share
        if late_s > _LATE_S:
            self._share = min(_MOST_SHARE, before + _RISE)
        else:
            self._share = max(0.0, before - _FALL)
        if bool(before) is not bool(self._share):
            extra = {"late_ms": round(late_s * 1e3), "refuses": bool(self._share)}
            _log.info("loop.lag", extra=extra)
        if not self._share:
            self._owed = 0.0
        self._timer = None
        if self._is_asked or self._share:
            self._is_asked = False
            self._watch()
