"""Measures the load of an engine and of the event loop, and says what to give up.

`LoadMeter` makes one number of an engine's queue, the pressure; `OverloadLadder` makes
an `OverloadStep` of it; `LoadReporter` reports both. Steps are taken at once and given
back slowly, so that a load near a limit does not switch to and fro. `LoopLag` says
which share of the requests the process itself is too busy for. Nothing here knows a
request or an engine.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from lsp_server.metrics import Metrics
from lsp_server.outcomes import OverloadStep

__all__ = ["LoadMeter", "LoadReporter", "LoopLag", "OverloadLadder", "step_at"]

_log = logging.getLogger(__name__)

_BEGINS_AT = (0.0, 0.05, 0.15, 0.3, 0.5, 1.0)
"""The pressure at which each step begins, in their order.

Chosen, not measured: what is cheap to give up goes first, and typing clients are slowed
down before half of the time that a request may wait is used.
"""

_ENDS_BELOW = 0.5
"""A step ends below this share of the pressure at which it begins."""

_LATEST_SHARE = 0.1
"""How much the latest request weighs in the mean time of a request."""

_WITHOUT_LIMIT_S = 10.0

_STEP_EVERY_S = 0.25
"""How often the step is looked at while it may fall."""

_LAG_TICK_S = 0.05
"""How often the loop is watched."""

_LAG_LATE_S, _LAG_LATE_BUSY_S = 0.06, 0.015
"""A loop that is later than this is behind; the second is for one that computed itself.
Another process on its core makes it late as well, and refusing mends nothing."""

_LAG_BUSY_SHARE = 0.4
"""A loop that computes for this share of a tick is busy."""

_LAG_RISE, _LAG_FALL = 0.05, 0.01
_LAG_MOST_SHARE = 0.9
"""Some requests always go through: only they show that the load is over."""


def step_at(pressure: float) -> OverloadStep:
    """Return the step that a pressure calls for.

    Args:
        pressure: 0 while nothing waits, 1 or more when requests are refused.
    """
    return max(step for step in OverloadStep if pressure >= _BEGINS_AT[step])


class OverloadLadder:
    """The step that holds, with hysteresis.

    It rises at once to the step that the pressure calls for. It falls one step at a
    time, each after the pressure was below half of what the step begins at for all of
    a while.

    Args:
        calm_s: That while, in seconds.
    """

    def __init__(self, *, calm_s: float = 1.0) -> None:
        self._calm_s = calm_s
        self._calm_since_s: float | None = None
        self._step = OverloadStep.NORMAL

    @property
    def step(self) -> OverloadStep:
        """The step that holds."""
        return self._step

    def update(self, pressure: float, now_s: float) -> bool:
        """Note the pressure of a moment, and return whether the step changed.

        Args:
            pressure: As in `step_at`.
            now_s: The moment, by any clock that never goes back, in seconds.
        """
        before = self._step
        wanted = step_at(pressure)
        if wanted > before:
            self._step = wanted
            self._calm_since_s = None
        elif before is OverloadStep.NORMAL or (
            pressure >= _BEGINS_AT[before] * _ENDS_BELOW
        ):
            self._calm_since_s = None
        elif self._calm_since_s is None:
            self._calm_since_s = now_s
        elif now_s - self._calm_since_s >= self._calm_s:
            self._step = OverloadStep(before - 1)
            self._calm_since_s = now_s
        return self._step is not before


class LoadMeter:
    """How long requests take in an engine, and so how long others have to wait.

    Args:
        running_limit: How many requests are in the engine at a time.
        queue_length: How many may wait.
        max_wait_s: How long the wait may be that one which nobody asked for by hand
            has to expect; 0 for without a limit, which counts as ten seconds here.
    """

    def __init__(
        self, *, running_limit: int, queue_length: int, max_wait_s: float
    ) -> None:
        self._running_limit = running_limit
        self._queue_length = queue_length
        self._max_wait_s = max_wait_s or _WITHOUT_LIMIT_S
        self._mean_s = 0.0
        self._turn_at_s = 0.0

    def note_taken(self, taken_s: float) -> None:
        """Note how long a request was in the engine, in seconds."""
        share = _LATEST_SHARE if self._mean_s else 1.0
        self._mean_s += (taken_s - self._mean_s) * share

    def note_turn(self, now_s: float) -> None:
        """Note that a request had its turn, or that the first one begins to wait."""
        self._turn_at_s = now_s

    def wait_s(self, turns: int) -> float:
        """Return how long so many turns take to come while the engine is full."""
        return turns * self._mean_s / self._running_limit

    def pressure_of(self, wait_s: float) -> float:
        """Return how much of the time that a request may wait this is."""
        return wait_s / self._max_wait_s

    def pressure(self, *, users: int, waiting: int, now_s: float) -> float:
        """Return how loaded the engine is for a user who has nothing waiting.

        That is the largest of three: the time until such a user's request has its
        turn, and the time since the last turn of any, both as shares of what a request
        may wait, and how full the second half of the queue is.

        Args:
            users: How many users wait, each of whom goes first once.
            waiting: How many requests wait.
            now_s: The moment.
        """
        if not waiting:
            return 0.0
        # An engine that hardly moves shows here before it shows in the mean.
        wait_s = max(self.wait_s(users), now_s - self._turn_at_s)
        fullness = 2 * waiting / self._queue_length - 1
        return max(self.pressure_of(wait_s), fullness)


class LoadReporter:
    """Keeps the step of an engine's load, and reports what changes.

    Args:
        model: Returns the model's name in metrics.
        metrics: Receives load and step.
        look: Measures the load again, and calls ``note`` with it.
    """

    def __init__(
        self, model: Callable[[], str], metrics: Metrics, look: Callable[[], None]
    ) -> None:
        self._model = model
        self._metrics = metrics
        self._look = look
        self._ladder = OverloadLadder()
        self._watchers: set[Callable[[OverloadStep], None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def step(self) -> OverloadStep:
        """The step that holds."""
        return self._ladder.step

    def watch(self, watcher: Callable[[OverloadStep], None]) -> Callable[[], None]:
        """Call ``watcher`` whenever the step changes; return what ends that."""
        self._watchers.add(watcher)
        return lambda: self._watchers.discard(watcher)

    def note(self, pressure: float, *, running: int, waiting: int) -> None:
        """Report the load of this moment, and the step if it changes."""
        loop = asyncio.get_running_loop()
        self._metrics.load_changed(self._model(), running=running, waiting=waiting)
        if self._ladder.update(pressure, loop.time()):
            _log.info(
                "overload.step",
                extra={"step": self.step.name, "running": running, "waiting": waiting},
            )
            self._metrics.overload_changed(self._model(), self.step)
            for watcher in tuple(self._watchers):
                watcher(self.step)
        if self.step > OverloadStep.NORMAL and self._timer is None:
            # Nothing else may happen any more that would let the step fall.
            self._timer = loop.call_later(_STEP_EVERY_S, self._look_again)

    def close(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_again(self) -> None:
        self._timer = None
        self._look()


class LoopLag:
    """Watches how late the event loop is, and says which requests to refuse for it.

    One process reads what every editor types, builds prompts and filters answers. Where
    that is more than a core can do, the loop falls behind, each answer comes when the
    next key has made it useless, and only work for answers that nobody sees is done. So
    a share of the requests is refused before any work, and the others are answered in
    time. Every tick the share rises while the loop is late, and falls more slowly while
    it is not: it settles where the loop just keeps up.

    Args:
        cpu_s: Returns the processor time of the loop's thread, in seconds.
    """

    def __init__(self, cpu_s: Callable[[], float] = time.thread_time) -> None:
        """Begin in time; nothing is watched before the first request."""
        self._cpu_s = cpu_s
        self._began_cpu_s = 0.0
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
        self._due_s = loop.time() + _LAG_TICK_S
        self._began_cpu_s = self._cpu_s()
        self._timer = loop.call_at(self._due_s, self._tick)

    def _tick(self) -> None:
        """See how late this is; watch on while requests come or are refused."""
        late_s = asyncio.get_running_loop().time() - self._due_s
        worked_s = self._cpu_s() - self._began_cpu_s
        is_busy = worked_s >= _LAG_BUSY_SHARE * (_LAG_TICK_S + late_s)
        before = self._share
        if late_s > (_LAG_LATE_BUSY_S if is_busy else _LAG_LATE_S):
            self._share = min(_LAG_MOST_SHARE, before + _LAG_RISE)
        else:
            self._share = max(0.0, before - _LAG_FALL)
        if bool(before) is not bool(self._share):
            extra = {"late_ms": round(late_s * 1e3), "refuses": bool(self._share)}
            _log.info("loop.lag", extra=extra)
        if not self._share:
            self._owed = 0.0
        self._timer = None
        if self._is_asked or self._share:
            self._is_asked = False
            self._watch()
