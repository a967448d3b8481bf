"""One replica under more and more typists, and what changes how many it carries."""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.capacity_load import TypingLoad, asks_of
from benchmarks.capacity_measured import latency_of
from benchmarks.capacity_replica import Answer, Outcome, Stage
from benchmarks.capacity_simulation import by_typist, power_of_two, simulate
from lsp_server.config import AdmissionConfig
from lsp_server.engine.engine_speed import H200_7B

__all__ = [
    "GPU",
    "LOAD",
    "SERVER_MS",
    "Curve",
    "Point",
    "Variant",
    "curve_of",
    "point_of",
    "routes_of",
    "variants",
]

SERVER_MS = 4.0
"""Midfill's own work for one request, all keys of a typist included: the processor's
time of a server with 40 editors on LSP (``results/load_paced.json``)."""

GPU = Stage(
    speed=H200_7B,
    server_ms=SERVER_MS,
    joined_ms=AdmissionConfig().joined_start_ms,
)

LOAD = TypingLoad(typists=1, seconds=70.0)

_SETTLED_S = 10.0
"""Every prompt is new at the beginning; what is asked before this is not counted."""

_TYPISTS = (1, 10, 25, 50, 65, 80, 90, 100, 115, 130, 150, 175, 200, 250, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """How one replica is with so many typists.

    Attributes:
        typists: So many type all the time.
        requests_per_s: What they ask.
        in_flight: Requests in the replica, the mean over time.
        mean_ms: Until an answer.
        p50_ms: The same, median.
        p95_ms: The same, 95th percentile.
        p99_ms: The same, 99th percentile.
        unanswered_share: Requests that were superseded or refused, of all.
        cached_share: Prompt tokens that the prefix cache held.
    """

    typists: float
    requests_per_s: float
    in_flight: float
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    unanswered_share: float
    cached_share: float


class Curve:
    """How one replica is with any number of typists, between simulated points.

    Args:
        points: Those that were simulated; the first is the least load there is.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        """Order the points."""
        self._points = sorted(points, key=lambda each: each.typists)
        self._typists = [each.typists for each in self._points]

    def value(self, name: str, typists: float) -> float:
        """Return a figure; below the first point and above the last it is theirs."""
        above = bisect.bisect_left(self._typists, typists)
        if above == 0:
            return float(getattr(self._points[0], name))
        if above == len(self._points):
            return float(getattr(self._points[-1], name))
        left, right = self._points[above - 1], self._points[above]
        share = (typists - left.typists) / (right.typists - left.typists)
        from_value = float(getattr(left, name))
        return from_value + share * (float(getattr(right, name)) - from_value)

    @property
    def requests_per_typist_and_s(self) -> float:
        """What a typist asks."""
        last = self._points[-1]
        return last.requests_per_s / last.typists

    def typists_at_in_flight(self, in_flight: float) -> float:
        """Return with how many typists a replica has so many requests in flight."""
        step = 0.5
        typists = step
        while self.value("in_flight", typists) < in_flight:
            typists += step
            if typists >= self._typists[-1]:
                break
        return typists

    def typists_within(self, p95_ms: float) -> int:
        """Return how many typists a replica carries with a 95th percentile below it."""
        most = 0
        for typists in range(1, math.floor(self._typists[-1]) + 1):
            if self.value("p95_ms", typists) > p95_ms:
                break
            most = typists
        return most


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Another load or replica than the usual.

    Attributes:
        name: What is different.
        load: The load.
        stage: The replica.
    """

    name: str
    load: TypingLoad
    stage: Stage


def variants() -> Sequence[Variant]:
    """Return the usual load and replica, and others with one thing changed."""

    def other(name: str, stage: Stage = GPU, load: TypingLoad = LOAD) -> Variant:
        return Variant(name=name, load=load, stage=stage)

    return (
        other("as above"),
        other("answers of 2 to 8 tokens", load=replace(LOAD, output_tokens=(2, 8))),
        other("a request every second", load=replace(LOAD, interval_ms=1000.0)),
        other("no jumps: nothing to read anew", load=replace(LOAD, jump_share=0.0)),
        other("twice the jumps (8 %)", load=replace(LOAD, jump_share=0.08)),
        other("prompts of 3,000 tokens", load=replace(LOAD, prompt_tokens=3000)),
        other("no work of Midfill's", stage=replace(GPU, server_ms=0.0)),
        other("twice Midfill's work", stage=replace(GPU, server_ms=2 * SERVER_MS)),
        other("engine.max_num_seqs = 16", stage=replace(GPU, most_running=16)),
        other("each request begins at once", stage=replace(GPU, joined_ms=0.0)),
    )


def point_of(answers: Sequence[Answer], load: TypingLoad) -> Point:
    """Return the figures of a load whose first seconds do not count."""
    counted = [each for each in answers if each.ask.at_ms >= _SETTLED_S * 1e3]
    seconds = load.seconds - _SETTLED_S
    unanswered = [each for each in counted if each.outcome is not Outcome.ANSWERED]
    begun = [each for each in counted if each.first_ms is not None]
    asked = sum(each.ask.prompt_tokens for each in begun)
    times = latency_of(counted)
    return Point(
        typists=load.typists,
        requests_per_s=len(counted) / seconds,
        in_flight=sum(each.took_ms for each in counted) / 1e3 / seconds,
        mean_ms=times["mean"],
        p50_ms=times["p50"],
        p95_ms=times["p95"],
        p99_ms=times["p99"],
        unanswered_share=len(unanswered) / len(counted),
        cached_share=1 - sum(each.read_tokens for each in begun) / asked,
    )


def curve_of(variant: Variant, *, seed: int = 0) -> tuple[Curve, list[Point]]:
    """Simulate one replica with more and more typists."""
    points = []
    for typists in _TYPISTS:
        load = replace(variant.load, typists=typists)
        answers = simulate(asks_of(load, seed), [variant.stage], by_typist)
        points.append(point_of(answers, load))
    return Curve(points), points


def routes_of(typists_each: int, counts: Sequence[int]) -> list[dict[str, object]]:
    """Compare routes with so many typists on each of more and more replicas."""
    rows: list[dict[str, object]] = []
    for count in counts:
        load = replace(LOAD, typists=typists_each * count, seconds=40.0)
        asks = asks_of(load, 0)
        routes = {"by document": by_typist, "power of two": power_of_two(0)}
        for name, route in routes.items():
            point = point_of(simulate(asks, [GPU] * count, route), load)
            rows.append(
                {
                    "replicas": count,
                    "route": name,
                    "p50_ms": point.p50_ms,
                    "p95_ms": point.p95_ms,
                    "unanswered_share": point.unanswered_share,
                    "cached_share": point.cached_share,
                }
            )
    return rows
