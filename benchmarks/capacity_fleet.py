"""The day of 10,000 typists under several ways to choose the number of replicas."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from benchmarks.capacity_curve import Curve
from benchmarks.capacity_day import Autoscaling, Moment, demand_of
from benchmarks.figures import percentile

__all__ = [
    "ENGINE_START_S",
    "GPU_HOUR_USD",
    "MOST_P95_MS",
    "SURGE_S",
    "by_hour",
    "day",
    "planned",
    "policies",
    "pull_s",
    "summary",
    "warm_replicas",
]

MOST_P95_MS = 450.0
"""What an answer may take, at the 95th percentile."""

GPU_HOUR_USD = 3.5
"""An assumption, not an offer: what an H200 costs for an hour."""

ENGINE_START_S = 123
"""The median of six starts on an H200, which took 108 to 160 s (``engine_start_s`` of
``results/lsp_overhead_cuda_7b_*.json``)."""

_MODEL_BYTES = 5_580_000_000
"""``weights_bytes`` of ``qwen2.5-coder-7b`` in ``models/registry.toml``."""

_SURGE_H = 9.0
_SURGE_LASTS_S = 60
SURGE_S = int(_SURGE_H * 3600)

_SHARES = (
    *((0.0, 0.02), (6.0, 0.02), (8.0, 0.15), (_SURGE_H, 0.25)),
    # Three times the load within a minute.
    (_SURGE_H + _SURGE_LASTS_S / 3600, 0.75),
    *((10.0, 1.0), (12.0, 0.9), (12.5, 0.55), (13.5, 0.6), (14.0, 0.95), (16.5, 0.9)),
    *((18.0, 0.45), (20.0, 0.2), (22.0, 0.1), (24.0, 0.02)),
)
"""An assumption: all are in one time zone, everybody types at ten o'clock, and at one
minute past nine three times as many as a minute before."""

_RING_SPREAD = 0.1
"""How much shares of keys differ on the router's ring, which has 100 points for each
replica."""

_DEVIATIONS = 2.0


def planned(most_typists: int) -> int:
    """Return how many typists to plan for each replica that carries so many at most.

    Documents are spread by a hash, so that some replicas get more than others. Planned
    is the number with which two standard deviations more are still within the limit:
    that of a random share of typists, and that of the ring's own shares.
    """
    typists = most_typists
    while typists > 1:
        spread = math.sqrt(typists + (_RING_SPREAD * typists) ** 2)
        if typists + _DEVIATIONS * spread <= most_typists:
            break
        typists -= 1
    return typists


def day(typists: int) -> Callable[[float], float]:
    """Return the demand of a day on which so many type at its busiest moment."""
    return demand_of(typists, _SHARES)


def warm_replicas(typists: int, each: int, *, delay_s: float) -> tuple[int, int]:
    """Return the replicas in use before the surge, and those that must be ready then.

    A replica that is ordered when the surge begins takes requests ``delay_s`` later;
    until then what was ready before has to carry the load.
    """
    demand = demand_of(typists, _SHARES)
    within_s = range(SURGE_S, SURGE_S + math.ceil(delay_s) + 1)
    before = math.ceil(demand(SURGE_S) / each)
    return before, math.ceil(max(map(demand, within_s)) / each)


def pull_s(replicas: int, *, store_gbit_s: float, node_gbit_s: float) -> float:
    """Return how long as many replicas take to pull the model at the same time."""
    gbit = _MODEL_BYTES * 8 / 1e9
    return max(gbit / node_gbit_s, replicas * gbit / store_gbit_s)


def policies(curve: Curve, typists: int) -> dict[str, Autoscaling]:
    """Return the ways that are compared, by what is special about them."""
    each = planned(curve.typists_within(MOST_P95_MS))
    target = curve.value("in_flight", each)
    peak = math.ceil(typists / each)
    _, warm = warm_replicas(typists, each, delay_s=ENGINE_START_S + 20)
    workday = (8.5 * 3600, 18 * 3600)

    def scaled(
        *,
        least: int = 1,
        floors: tuple[tuple[float, float, int], ...] = (),
        most: int = 10_000,
        factor: float = 1.0,
        up_delay_s: int = 5,
        down_delay_s: int = 300,
        cold_start_s: int = ENGINE_START_S,
    ) -> Autoscaling:
        return Autoscaling(
            target_in_flight=target,
            least=least,
            floors=floors,
            most=most,
            factor=factor,
            look_back_s=5,
            up_delay_s=up_delay_s,
            down_delay_s=down_delay_s,
            cold_start_s=cold_start_s,
        )

    return {
        f"fixed: {peak}": scaled(least=peak, most=peak),
        "autoscaled, Ray Serve's delays": scaled(up_delay_s=30, down_delay_s=600),
        "autoscaled, midfill_ray's delays": scaled(),
        "autoscaled, half of the difference at a time": scaled(factor=0.5),
        "autoscaled, with 300 s to a new node": scaled(
            cold_start_s=ENGINE_START_S + 300
        ),
        f"autoscaled, {warm} from 08:30 to 18:00": scaled(floors=((*workday, warm),)),
    }


def by_hour(moments: Iterable[Moment]) -> list[dict[str, float]]:
    """Return what each hour had, cost included."""
    return [
        {"hour": hour, **summary(list(group))}
        for hour, group in groupby(moments, key=lambda each: each.at_s // 3600)
    ]


def summary(moments: Sequence[Moment]) -> dict[str, float]:
    """Return means and totals of a part of the day.

    A GPU costs from the moment at which its replica begins to start.
    """
    gpu_hours = sum(each.ready + each.starting for each in moments) / 3600
    requests = sum(each.requests for each in moments)
    slow = sum(each.p95_ms > MOST_P95_MS for each in moments)
    return {
        "typists_mean": sum(each.typists for each in moments) / len(moments),
        "typists_most": max(each.typists for each in moments),
        "replicas_mean": sum(each.ready for each in moments) / len(moments),
        "replicas_most": max(each.ready for each in moments),
        "p95_ms_middle": percentile([each.p95_ms for each in moments], 50),
        "p95_ms_worst": max(each.p95_ms for each in moments),
        "slow_s": slow,
        "requests": requests,
        "lost_share": sum(each.lost for each in moments) / max(requests, 1.0),
        "gpu_hours": gpu_hours,
        "usd": gpu_hours * GPU_HOUR_USD,
    }
