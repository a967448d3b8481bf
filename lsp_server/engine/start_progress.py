"""Estimates how much of a start is done, from how long the last start took.

A start goes through known stages. How long each took is kept in a file of the user's
cache folder, for each kind of start. A stage under way counts by the time that it has
taken so far, and never as done before the next one has begun.
"""

import contextlib
import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lsp_server.engine_values import StartStage
from lsp_server.files import atomic_write_text

__all__ = ["StartProgress", "StartTimes"]

#: In seconds: the shipped model on two cores, with bytecode. Only the proportions
#: matter, and only for a first start.
_DEFAULT_TIMES_S = {
    StartStage.VERIFY: 1.0,
    StartStage.IMPORT: 12.0,
    StartStage.SPAWN: 14.0,
    StartStage.WEIGHTS: 3.0,
    StartStage.WARM_UP: 3.0,
    StartStage.PROBE: 0.5,
}
_STAGES = tuple(StartStage)
#: A stage advances steadily up to this share of its expected time, then ever slower.
_STEADY_SHARE = 0.8
#: A shorter stage is over before any progress could be seen.
_SHORTEST_STAGE_S = 0.001
#: Nothing but "ready" is 100 percent.
_MOST_PERCENT = 99


class StartTimes:
    """How long the stages of earlier starts took, kept in a file.

    Args:
        path: The file; it need not exist. None where there is no folder for one.
    """

    def __init__(self, path: Path | None) -> None:
        """Note the path; the file is read when its content is needed."""
        self._path = path

    def of(self, kind: str) -> Mapping[StartStage, float]:
        """Return how long the stages of the last start of a kind took, in seconds.

        Defaults where there was none, or the file cannot be read.
        """
        try:
            known = self._read()[kind]
            times_s = {stage: float(known[stage.value]) for stage in _STAGES}
        except (OSError, ValueError, KeyError, TypeError):
            return _DEFAULT_TIMES_S
        valid = all(math.isfinite(s) and s >= 0 for s in times_s.values())
        return times_s if valid else _DEFAULT_TIMES_S

    def keep(self, kind: str, times_s: Mapping[StartStage, float]) -> None:
        """Save the times of a start; a file that cannot be written is ignored."""
        if self._path is None:
            return
        try:
            known = self._read()
        except (OSError, ValueError):
            known = {}
        known[kind] = {stage.value: round(s, 3) for stage, s in times_s.items()}
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write_text(self._path, json.dumps(known))

    def _read(self) -> dict[str, dict[str, float]]:
        """Read the file.

        Raises:
            OSError: It cannot be read.
            ValueError: It is not valid.
        """
        if self._path is None:
            raise FileNotFoundError
        known = json.loads(self._path.read_text(encoding="utf-8"))
        if not isinstance(known, dict):
            raise ValueError("no table of starts")  # noqa: TRY004 - a broken file
        return known


class StartProgress:
    """Follows one start; `reach` may be called from any thread.

    Args:
        expected_s: How long the stages will take, in seconds.
        now_s: A clock, in seconds.
    """

    def __init__(
        self,
        expected_s: Mapping[StartStage, float],
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._expected_s = expected_s
        self._now_s = now_s
        self._lock = threading.Lock()
        self._began_at_s: dict[StartStage, float] = {}
        self._shown_percent = 0

    def reach(self, stage: StartStage) -> None:
        """Note that a stage has begun; one before the current stage is ignored."""
        with self._lock:
            if all(self._order(stage) > self._order(s) for s in self._began_at_s):
                self._began_at_s[stage] = self._now_s()

    @property
    def percent(self) -> int:
        """How much is done, from 0 to 99; it never falls."""
        with self._lock:
            if self._began_at_s:
                self._shown_percent = max(self._shown_percent, self._percent())
            return self._shown_percent

    @property
    def stage(self) -> StartStage:
        """The current stage."""
        with self._lock:
            return max(self._began_at_s, key=self._order, default=_STAGES[0])

    def times_s(self) -> dict[StartStage, float]:
        """Return how long each stage took, in seconds, if the start ends now."""
        with self._lock:
            times = dict.fromkeys(_STAGES, 0.0)
            ends = [*list(self._began_at_s.values())[1:], self._now_s()]
            for (stage, began), end in zip(self._began_at_s.items(), ends, strict=True):
                times[stage] = end - began
            return times

    def _percent(self) -> int:
        current = max(self._began_at_s, key=self._order)
        before = [s for s in _STAGES if self._order(s) < self._order(current)]
        expected_s = self._expected_s[current]
        done_s = sum(self._expected_s[stage] for stage in before)
        took_s = self._now_s() - self._began_at_s[current]
        done_s += expected_s * _share_done(took_s, expected_s)
        total_s = sum(self._expected_s.values()) or 1.0
        return min(_MOST_PERCENT, int(100 * done_s / total_s))

    @staticmethod
    def _order(stage: StartStage) -> int:
        return _STAGES.index(stage)


def _share_done(took_s: float, expected_s: float) -> float:
    """Return the share of a stage that is done, always below 1."""
    if expected_s < _SHORTEST_STAGE_S:
        return 0.0
    share = took_s / expected_s
    if share <= _STEADY_SHARE:
        return share
    late = (share - _STEADY_SHARE) / (1 - _STEADY_SHARE)
    return _STEADY_SHARE + (1 - _STEADY_SHARE) * late / (1 + late)
