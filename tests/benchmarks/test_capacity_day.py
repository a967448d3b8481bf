"""What holds of a day of typists whatever the fleet does."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capacity_curve import Curve, Point
from benchmarks.capacity_day import Autoscaler, Autoscaling, Moment, demand_of, play
from benchmarks.capacity_fleet import (
    by_hour,
    day,
    planned,
    policies,
    pull_s,
    summary,
    warm_replicas,
)


def point(typists: float) -> Point:
    """A replica that takes 100 ms, and as many again for each 10 typists."""
    took_ms = 100 + 10 * typists
    return Point(
        typists=typists,
        requests_per_s=2 * typists,
        in_flight=2 * typists * took_ms / 1e3,
        mean_ms=took_ms,
        p50_ms=took_ms,
        p95_ms=2 * took_ms,
        p99_ms=3 * took_ms,
        unanswered_share=min(1.0, typists / 100),
        cached_share=0.95,
    )


CURVE = Curve([point(each) for each in (1.0, 10.0, 30.0, 100.0)])
SCALING = Autoscaling(
    target_in_flight=CURVE.value("in_flight", 10), least=1, cold_start_s=60
)
DEMANDS = st.lists(st.floats(0, 1), min_size=2, max_size=6).map(
    lambda shares: demand_of(
        500, [(hour / 30, share) for hour, share in enumerate(shares)]
    )
)
SCALINGS = st.builds(
    Autoscaling,
    target_in_flight=st.sampled_from([1.0, 4.0, 20.0]),
    least=st.integers(1, 20),
    most=st.integers(30, 60),
    floors=st.sampled_from([(), ((100.0, 200.0, 30),)]),
    factor=st.sampled_from([0.3, 1.0]),
    look_back_s=st.integers(1, 20),
    up_delay_s=st.integers(0, 30),
    down_delay_s=st.integers(0, 60),
    cold_start_s=st.integers(0, 200),
)


def fixed(replicas: int) -> Autoscaling:
    """So many replicas, whatever happens."""
    return replace(SCALING, least=replicas, most=replicas)


@given(demand=DEMANDS, scaling=SCALINGS)
def test_a_fleet_stays_within_its_bounds(demand: object, scaling: Autoscaling) -> None:
    """Replicas are within the limits, and become ready only after a start."""
    assert callable(demand)
    moments = list(play(demand, CURVE, scaling, span_s=(0, 250)))
    for each in moments:
        assert 1 <= each.ready
        assert each.ready + each.starting <= scaling.most
        assert scaling.least_at(each.at_s) <= each.ready + each.starting
        assert 0 <= each.lost <= each.requests
    for left, right in pairwise(moments):
        if right.ready > left.ready and scaling.cold_start_s:
            assert right.ready - left.ready <= left.starting


@given(demand=DEMANDS, fewer=st.integers(1, 50), more=st.integers(1, 50))
def test_more_replicas_are_never_worse(demand: object, fewer: int, more: int) -> None:
    """With more of them no moment is slower, and nothing more is lost."""
    assert callable(demand)
    pairs = zip(
        play(demand, CURVE, fixed(fewer), span_s=(0, 120)),
        play(demand, CURVE, fixed(fewer + more), span_s=(0, 120)),
        strict=True,
    )
    for less, plenty in pairs:
        assert plenty.p95_ms <= less.p95_ms + 1e-9
        assert plenty.lost <= less.lost + 1e-9


@given(demand=DEMANDS, scaling=SCALINGS)
def test_hours_add_up_to_the_day(demand: object, scaling: Autoscaling) -> None:
    """No request, GPU hour or dollar is lost between two hours."""
    assert callable(demand)
    moments = list(play(demand, CURVE, scaling, span_s=(3550, 3650)))
    hours, whole = by_hour(moments), summary(moments)
    assert [0, 1] == [each["hour"] for each in hours]
    for name in ("requests", "gpu_hours", "usd", "slow_s"):
        assert whole[name] == pytest.approx(sum(each[name] for each in hours))


def decisions(scaling: Autoscaling, seen: list[float]) -> list[tuple[int, int]]:
    """Replicas that are ready and that start, after each second."""
    fleet = Autoscaler(scaling, 1)
    found = []
    for at_s, in_flight in enumerate(seen):
        fleet.pass_second(at_s, in_flight)
        found.append((fleet.ready, fleet.starting))
    return found


def test_a_replica_comes_after_the_delays() -> None:
    """Too much for 3 s orders what is missing; it is ready 4 s later, once."""
    scaling = replace(
        SCALING, target_in_flight=10.0, look_back_s=1, up_delay_s=3, cold_start_s=4
    )
    found = decisions(scaling, [25.0] * 10)
    assert [(1, 0)] * 3 + [(1, 2)] * 4 + [(3, 0)] * 3 == found


def test_a_replica_goes_after_the_delay() -> None:
    """Too little must last; a busy second between starts the time anew."""
    scaling = replace(
        SCALING, target_in_flight=10.0, look_back_s=1, up_delay_s=0, cold_start_s=0
    )
    scaling = replace(scaling, down_delay_s=3)
    seen = [25.0, 25.0, 5.0, 5.0, 25.0, 5.0, 5.0, 5.0, 5.0, 5.0]
    assert [1, 3, 3, 3, 3, 3, 3, 3, 1, 1] == [r for r, _ in decisions(scaling, seen)]


def test_a_factor_changes_a_part_of_the_difference() -> None:
    """Half of three that are missing is two, rounded up; then half of one."""
    scaling = replace(
        SCALING, target_in_flight=10.0, look_back_s=1, up_delay_s=0, cold_start_s=0
    )
    found = decisions(replace(scaling, factor=0.5), [40.0] * 5)
    assert [1, 3, 4, 4, 4] == [ready for ready, _ in found]


def test_a_floor_holds_at_once() -> None:
    """Replicas of a schedule are started without a delay, and end after it."""
    scaling = replace(SCALING, floors=((2.0, 4.0, 5),), cold_start_s=1, down_delay_s=1)
    found = decisions(scaling, [0.0] * 8)
    assert [(1, 0), (1, 0), (1, 4), (5, 0), (5, 0), (1, 0)] == found[:6]


def test_the_day_has_a_surge() -> None:
    """Three times as many type a minute after nine, and all at ten."""
    demand = day(10_000)
    assert [2500, 7500, 10_000] == [round(demand(s)) for s in (32_400, 32_460, 36_000)]


def test_warm_replicas_cover_what_comes_before_the_first_new_one() -> None:
    """With no delay none is spare; from a minute on all of the surge's are."""
    assert (50, 50) == warm_replicas(10_000, 50, delay_s=0)
    assert (50, 100) == warm_replicas(10_000, 50, delay_s=30)
    before, warm = warm_replicas(10_000, 50, delay_s=60)
    assert (50, 150) == (before, warm)


def test_plans_leave_room_for_an_uneven_spread() -> None:
    """Two deviations above what is planned are still within the limit."""
    for most in (1, 10, 86, 400):
        assert 1 <= planned(most) <= most
    assert 62 == planned(83)


def test_many_replicas_share_the_store() -> None:
    """Few are limited by their own network, many by the store's."""
    few = pull_s(1, store_gbit_s=20.0, node_gbit_s=10.0)
    assert few == pull_s(2, store_gbit_s=20.0, node_gbit_s=10.0)
    assert 2 * few == pytest.approx(pull_s(4, store_gbit_s=20.0, node_gbit_s=10.0))


def test_the_advice_keeps_the_limit_through_the_surge() -> None:
    """The last policy is always fast enough; what only follows the load is not."""
    curve = Curve([replace(point(each), p95_ms=5 * each) for each in (1, 65, 90, 300)])
    slow: list[int] = []
    moments: list[Moment] = []
    for scaling in policies(curve, 10_000).values():
        moments = list(play(day(10_000), curve, scaling, span_s=(28_800, 37_000)))
        slow.append(int(summary(moments)["slow_s"]))
    assert (0, 0) == (slow[0], slow[-1])
    assert all(each > 60 for each in slow[1:-1])
