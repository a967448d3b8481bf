"""A day of many typists on a fleet of replicas, second by second.

How fast a replica is with so many typists comes from `capacity_curve`, as a curve.
Here stand the typists of each moment, and the autoscaler that follows them as Ray
Serve's does: by requests in flight, after a delay, with replicas that take time to
start.
"""

import bisect
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.capacity_curve import Curve

__all__ = [
    "Autoscaler",
    "Autoscaling",
    "Moment",
    "demand_of",
    "play",
]

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaling:
    """How the number of replicas follows the load.

    Attributes:
        target_in_flight: Requests in flight that one replica should have.
        least: The fewest replicas.
        floors: Other such numbers for a part of the day: from, until (s), replicas.
        most: The most replicas.
        factor: How much of what is missing, or too much, is changed at a time: Ray
            Serve's ``upscaling_factor`` and ``downscaling_factor``.
        look_back_s: Requests in flight are averaged over so long.
        up_delay_s: More replicas must be wanted for so long.
        down_delay_s: The same for fewer.
        cold_start_s: From that decision until a replica takes requests.
    """

    target_in_flight: float
    least: int
    floors: tuple[tuple[float, float, int], ...] = ()
    most: int = 10_000
    factor: float = 1.0
    look_back_s: int = 10
    up_delay_s: int = 10
    down_delay_s: int = 600
    cold_start_s: int

    def least_at(self, at_s: float) -> int:
        """Return the fewest replicas at a second of the day."""
        scheduled = [each[2] for each in self.floors if each[0] <= at_s < each[1]]
        return max([self.least, *scheduled])


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A second of the day.

    Attributes:
        at_s: Which one.
        typists: So many type.
        ready: Replicas that take requests.
        starting: Replicas that do not yet.
        requests: What is asked in this second.
        lost: Of them, those without an answer that a replica without load would have
            answered.
        p95_ms: Of a replica with its part of the typists.
    """

    at_s: int
    typists: float
    ready: int
    starting: int
    requests: float
    lost: float
    p95_ms: float


def demand_of(
    typists: float, shares: Sequence[tuple[float, float]]
) -> Callable[[float], float]:
    """Return how many type at a second.

    Args:
        typists: All of them.
        shares: The share of them that types, as (hour, share), in order; between these
            it changes evenly.
    """
    hours = [hour for hour, _ in shares]

    def at(at_s: float) -> float:
        above = bisect.bisect_right(hours, at_s / 3600)
        if above in {0, len(hours)}:
            return typists * shares[max(0, above - 1)][1]
        (from_h, left), (until_h, right) = shares[above - 1 : above + 1]
        return typists * (
            left + (right - left) * (at_s / 3600 - from_h) / (until_h - from_h)
        )

    return at


class Autoscaler:
    """The replicas of a fleet, and the decisions on their number.

    Args:
        scaling: How they are made.
        ready: Replicas at the beginning.
    """

    def __init__(self, scaling: Autoscaling, ready: int) -> None:
        self._scaling = scaling
        self._starting: deque[int] = deque()
        self._history: deque[float] = deque(maxlen=scaling.look_back_s)
        self._more_since: int | None = None
        self._fewer_since: int | None = None
        self.ready = ready

    @property
    def starting(self) -> int:
        """Replicas that were started and take no requests yet."""
        return len(self._starting)

    def pass_second(self, at_s: int, in_flight: float) -> None:
        """Decide on what is seen in a second."""
        scaling = self._scaling
        while self._starting and self._starting[0] <= at_s:
            self._starting.popleft()
            self.ready += 1
        self._history.append(in_flight)
        mean = sum(self._history) / len(self._history)
        least = scaling.least_at(at_s)
        target = self.ready + self.starting
        missing = mean / scaling.target_in_flight - target
        desired = math.ceil(target + scaling.factor * missing - _ROUNDING)
        desired = min(scaling.most, max(least, desired))
        self._more_since = _since(self._more_since, at_s, is_so=desired > target)
        self._fewer_since = _since(self._fewer_since, at_s, is_so=desired < target)
        if self._more_since is not None:
            # A floor holds at once; more than that is wanted for a while first.
            has_waited = at_s - self._more_since >= scaling.up_delay_s
            more = (desired if has_waited else least) - target
            self._starting.extend([at_s + scaling.cold_start_s] * max(0, more))
        waits_s = at_s - (at_s if self._fewer_since is None else self._fewer_since)
        if self._fewer_since is not None and waits_s >= scaling.down_delay_s:
            self.ready = max(1, desired - self.starting)
            self._fewer_since = None


def _since(since: int | None, at_s: int, *, is_so: bool) -> int | None:
    """Return since when something is so; None while it is not."""
    if not is_so:
        return None
    return at_s if since is None else since


def play(
    demand: Callable[[float], float],
    curve: Curve,
    scaling: Autoscaling,
    *,
    span_s: tuple[int, int] = (0, 86_400),
) -> Iterator[Moment]:
    """Play a part of a day, a second at a time.

    It begins with the replicas that its first second needs.

    Args:
        demand: How many type at a second.
        curve: How one replica is.
        scaling: How replicas are added and taken away.
        span_s: The first second, and the one behind the last.
    """
    knee = curve.typists_at_in_flight(scaling.target_in_flight)
    needed = math.ceil(demand(span_s[0]) / knee)
    least = scaling.least_at(span_s[0])
    fleet = Autoscaler(scaling, min(scaling.most, max(1, least, needed)))
    alone = curve.value("unanswered_share", 0)
    for at_s in range(*span_s):
        typists = demand(at_s)
        # What is in flight is seen before replicas that are ready now take their part.
        seen = fleet.ready * curve.value("in_flight", typists / fleet.ready)
        fleet.pass_second(at_s, seen)
        each = typists / fleet.ready
        requests = typists * curve.requests_per_typist_and_s
        unanswered = curve.value("unanswered_share", each)
        yield Moment(
            at_s=at_s,
            typists=typists,
            ready=fleet.ready,
            starting=fleet.starting,
            requests=requests,
            lost=requests * max(0.0, unanswered - alone),
            p95_ms=curve.value("p95_ms", each),
        )
