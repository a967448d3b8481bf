"""What holds of simulated replicas whatever is asked of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capacity_curve import GPU
from benchmarks.capacity_load import Ask, TypingLoad, asks_of
from benchmarks.capacity_measured import (
    compare,
    compare_load,
    latency_of,
    misfit,
)
from benchmarks.capacity_replica import Answer, Outcome, Stage
from benchmarks.capacity_simulation import Route, by_typist, power_of_two, simulate
from lsp_server.engine.engine_speed import H200_7B

LOADS = st.builds(
    TypingLoad,
    typists=st.integers(1, 60),
    seconds=st.just(3.0),
    interval_ms=st.sampled_from([100.0, 500.0]),
    jump_share=st.sampled_from([0.0, 0.1, 1.0]),
    output_tokens=st.sampled_from([(1, 1), (2, 8), (32, 64)]),
)
STAGES = st.builds(
    Stage,
    speed=st.sampled_from([H200_7B, H200_7B.slice(8)]),
    server_ms=st.sampled_from([0.0, 5.0]),
    most_running=st.sampled_from([1, 16, 256]),
    most_waiting=st.sampled_from([0, 8, 256]),
    joined_ms=st.sampled_from([0.0, 40.0]),
)
ROUTES = st.sampled_from([by_typist, power_of_two(0)])


def mean_in_flight(answers: Sequence[Answer]) -> float:
    """Requests in the system, the mean over time, counted from event to event."""
    events = sorted(
        [(each.ask.at_ms, 1) for each in answers]
        + [(each.end_ms, -1) for each in answers]
    )
    area = count = 0.0
    for (at_ms, change), (next_ms, _) in pairwise(events):
        count += change
        area += count * (next_ms - at_ms)
    return area / (events[-1][0] - events[0][0])


@given(load=LOADS, stage=STAGES, replicas=st.integers(1, 4), route=ROUTES)
def test_every_request_ends_once(
    load: TypingLoad, stage: Stage, replicas: int, route: Route
) -> None:
    """None is lost or doubled, and each ends as its times allow."""
    asks = asks_of(load, 1)
    answers = simulate(asks, [stage] * replicas, route)
    assert Counter(asks) == Counter(each.ask for each in answers)
    for each in answers:
        assert each.ask.at_ms <= (each.first_ms or each.end_ms) <= each.end_ms
        assert each.end_ms <= each.ask.superseded_ms
        if each.outcome is Outcome.ANSWERED:
            assert each.first_ms is not None
            assert 1 <= each.read_tokens <= load.prompt_tokens + 16
        if each.outcome is Outcome.SUPERSEDED:
            assert each.ask.superseded_ms == each.end_ms
        if each.outcome is Outcome.REFUSED:
            assert each.ask.at_ms == each.end_ms


@given(load=LOADS, stage=STAGES, replicas=st.integers(1, 3))
def test_littles_law_holds(load: TypingLoad, stage: Stage, replicas: int) -> None:
    """Requests in flight are their rate times their time in the system."""
    answers = simulate(asks_of(load, 2), [stage] * replicas, by_typist)
    if len(answers) < 2:
        return
    began_ms = min(each.ask.at_ms for each in answers)
    span_ms = max(each.end_ms for each in answers) - began_ms
    rate = len(answers) / span_ms
    mean_ms = sum(each.took_ms for each in answers) / len(answers)
    assert rate * mean_ms == pytest.approx(mean_in_flight(answers))


@given(load=LOADS, stage=STAGES)
def test_nobody_is_answered_faster_in_company(load: TypingLoad, stage: Stage) -> None:
    """A typist alone has the least that any request takes."""
    answers = simulate(asks_of(load, 3), [stage], by_typist)
    for each in answers[:5]:
        if each.outcome is not Outcome.ANSWERED:
            continue
        read_all = replace(each.ask, prompt_tokens=each.read_tokens, again_tokens=0)
        alone = replace(read_all, written_tokens=each.read_tokens)
        [found] = simulate([alone], [stage], by_typist)
        assert found.took_ms <= each.took_ms + 1e-6


def ask(typist: int, at_ms: float, written: int, **more: float) -> Ask:
    """A request of 32 tokens with a prompt of 1,000."""
    return Ask(
        typist=typist,
        at_ms=at_ms,
        prompt_tokens=1000,
        written_tokens=written,
        output_tokens=32,
        **more,  # type: ignore[arg-type]  # what a test sets
    )


def test_a_replica_reads_what_it_has_not_read() -> None:
    """A key costs what is new, a jump or another replica the whole prompt."""
    asks = [ask(0, 0, 1000), ask(0, 1e3, 1005), ask(0, 2e3, 2005), ask(0, 3e3, 2009)]
    read = [each.read_tokens for each in simulate(asks, [GPU], by_typist)]
    assert [1000, 5, 1000, 4] == read
    turns = iter((0, 1, 0, 1))
    spread = simulate(asks, [GPU] * 2, lambda _ask, replicas: replicas[next(turns)])
    assert [1000, 1000, 1000, 1000] == [each.read_tokens for each in spread]


def test_a_superseded_request_leaves_room_for_others() -> None:
    """Only what was read of it was in vain; the next one need not read that again."""
    answers = simulate(
        [ask(0, 0, 1000, superseded_ms=30.0), ask(0, 30, 1003)], [GPU], by_typist
    )
    assert [Outcome.SUPERSEDED, Outcome.ANSWERED] == [a.outcome for a in answers]
    assert [1000, 3] == [each.read_tokens for each in answers]
    assert 30.0 == answers[0].end_ms


def test_the_simulation_is_as_far_off_as_the_page_says() -> None:
    """Half of what was measured is met within 8 %, all that it was fitted to in 30 %.

    The load that was held back is met within 20 %.
    """
    compared = list(compare(H200_7B))
    errors = sorted(abs(each.error) for each in compared if each.is_fitted)
    assert errors[len(errors) // 2] < 0.08
    assert errors[-1] < 0.30
    held_back = [each for each in compared if each.load == "100 typists"]
    assert {"mean_ms", "p50_ms", "p95_ms", "p99_ms"} == {e.figure for e in held_back}
    assert all(abs(each.error) < 0.20 for each in held_back)


def test_a_measured_load_is_simulated_as_it_was() -> None:
    """Typists, length and Midfill's own work are the result's; raw vLLM has none."""
    latency = {"mean": 100.0, "p50": 100.0, "p95": 100.0, "p99": 100.0, "max": 100.0}
    cell = {"typists": 8, "prompt_tokens_mean": 1490.4, "latency_ms": latency}
    result = {
        "cells": [
            {**cell, "route": "raw"},
            {**cell, "route": "lsp", "server_cpu_ms_per_request": 50.0},
        ],
        "settings": {"MIDFILL_ENGINE_MAX_NUM_SEQS": "256"},
        "seconds": 10,
        "interval_ms": 500,
        "seed": 0,
    }
    found = list(compare_load(result, H200_7B, server_ms=0.0))
    assert ["8 typists, raw"] * 4 + ["8 typists, lsp"] * 4 == [e.load for e in found]
    assert ["mean_ms", "p50_ms", "p95_ms", "p99_ms"] == [e.figure for e in found[:4]]
    raw_ms, lsp_ms = found[0].simulated_ms, found[4].simulated_ms
    assert 80 < raw_ms < 150
    assert lsp_ms > raw_ms + 50


@pytest.mark.parametrize("name", ["prefill_step_ms", "prompt_token_ms", "begin_ms"])
@pytest.mark.parametrize("factor", [0.75, 1.33])
def test_other_constants_fit_worse(name: str, factor: float) -> None:
    """The constants are those of the measured times, not any."""
    other = replace(H200_7B, **{name: getattr(H200_7B, name) * factor})
    assert misfit(other) > misfit(H200_7B)


def test_documents_that_stay_on_a_replica_are_answered_sooner() -> None:
    """By load alone every replica reads every prompt."""
    load = TypingLoad(typists=160, seconds=15.0)
    asks = asks_of(load, 0)
    sticky = latency_of(simulate(asks, [GPU] * 4, by_typist))
    spread = latency_of(simulate(asks, [GPU] * 4, power_of_two(0)))
    assert sticky["p95"] * 1.2 < spread["p95"]


def test_requests_behind_a_start_begin_together() -> None:
    """Once eight are in the engine; their first tokens come together, too."""
    asks = [ask(typist, float(typist), 1000) for typist in range(12)]

    def starts(joined_ms: float) -> list[int]:
        """Return how many have their first token at each moment, in order."""
        stage = replace(GPU, server_ms=0.0, joined_ms=joined_ms)
        answers = simulate(asks, [stage], by_typist)
        return [
            count for _, count in sorted(Counter(a.first_ms for a in answers).items())
        ]

    assert 4 == starts(40.0)[-1]
    assert starts(40.0) != starts(0.0)


def test_a_full_replica_refuses_until_one_has_ended() -> None:
    """One runs, one waits, the third is refused, and a later one finds room again."""
    stage = replace(GPU, most_running=1, most_waiting=1)
    asks = [*(ask(typist, 0.0, 1000) for typist in range(3)), ask(0, 9e3, 1001)]
    outcomes = [each.outcome for each in simulate(asks, [stage], by_typist)]
    taken, refused = Outcome.ANSWERED, Outcome.REFUSED
    assert [taken, taken, refused, taken] == outcomes
