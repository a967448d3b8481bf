"""What is reported comes out as Prometheus' text, in series that no client can add."""

import random
import string

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lsp_server.engine_values import EngineState
from lsp_server.metrics import (
    Feedback,
    FeedbackEvent,
    Outcome,
    Refusal,
    RequestRecord,
    Route,
)
from lsp_server.observability.prometheus import BUCKETS_MS, PrometheusMetrics
from lsp_server.outcomes import (
    OverloadStep,
    RequestTimings,
    Source,
    Stage,
    StopCause,
)

MODEL = "starter"


def record(
    *,
    model: str = MODEL,
    language: str = "python",
    outcome: Outcome = Outcome.COMPLETED,
    reason: str = "",
    prompt_tokens: int = 100,
) -> RequestRecord:
    """A request of 260 ms."""
    return RequestRecord(
        request_id="completion-1",
        route=Route.LSP,
        model=model,
        language=language,
        outcome=outcome,
        reason=reason,
        timings=RequestTimings(
            ttft_ms=60.0,
            total_ms=260.0,
            prompt_tokens=prompt_tokens,
            cached_tokens=64,
            output_tokens=8,
            stages_ms={Stage.PREFILL: 55.0, Stage.DECODE: 200.0},
        ),
        saved_tokens=40,
        stopped=((StopCause.LINE, 30), (StopCause.CLOSER, 10)),
    )


def sorted_values(labels: dict[str, str]) -> list[str]:
    """Return labels' values, the model's and the language's first."""
    first = ["model", "language", "route"]
    return [labels.pop(name) for name in first if name in labels] + [*labels.values()]


def series(metrics: PrometheusMetrics) -> dict[str, float]:
    """Return each series' value by its name and labels' values."""
    text, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    return {
        "/".join([sample.name, *sorted_values(sample.labels)]): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@pytest.fixture
def metrics() -> PrometheusMetrics:
    """Metrics that know one model."""
    made = PrometheusMetrics()
    made.engine_changed(MODEL, EngineState.READY)
    return made


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("midfill_requests_total/starter/python/lsp/completed", 1),
        ("midfill_prompt_tokens_total/starter/python/new", 36),
        ("midfill_prompt_tokens_total/starter/python/cached", 64),
        ("midfill_output_tokens_total/starter/python", 8),
        ("midfill_saved_tokens_total/starter/completed", 40),
        ("midfill_saved_tokens_total/starter/superseded", 0),
        ("midfill_stopped_tokens_total/starter/line", 30),
        ("midfill_stopped_tokens_total/starter/closer", 10),
        ("midfill_stopped_tokens_total/starter/block", 0),
        ("midfill_request_duration_seconds_bucket/starter/python/0.2", 0),
        ("midfill_request_duration_seconds_bucket/starter/python/0.3", 1),
        ("midfill_request_duration_seconds_sum/starter/python", 0.26),
        ("midfill_time_to_first_token_seconds_bucket/starter/python/0.05", 0),
        ("midfill_time_to_first_token_seconds_bucket/starter/python/0.075", 1),
        ("midfill_stage_duration_seconds_sum/starter/python/decode", 0.2),
        ("midfill_engine_state/starter/ready", 1),
        ("midfill_engine_state/starter/failed", 0),
        ("midfill_engine_restarts_total/starter", 0),
    ],
)
def test_a_request_is_counted_and_measured(
    metrics: PrometheusMetrics, name: str, expected: float
) -> None:
    """Counters, histograms and the engine's state say what the record says."""
    metrics.request_done(record())
    assert expected == pytest.approx(series(metrics)[name])


def test_the_buckets_resolve_what_a_typist_feels() -> None:
    """From 1 ms to 2 s, and fine below 200 ms."""
    assert (1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 200) == BUCKETS_MS[:11]
    assert (300, 500, 1000, 2000) == BUCKETS_MS[11:]


@pytest.mark.parametrize(
    "outcome", [Outcome.SUPERSEDED, Outcome.CANCELLED, Outcome.FAILED]
)
def test_who_was_broken_off_has_no_duration(
    metrics: PrometheusMetrics, outcome: Outcome
) -> None:
    """How long it lived was somebody else's choice; its stages and tokens count."""
    metrics.request_done(record(outcome=outcome))
    found = series(metrics)
    assert "midfill_request_duration_seconds_count/starter/python" not in found
    assert found["midfill_output_tokens_total/starter/python"] == 8


def test_a_request_without_a_prompt_is_counted_only(metrics: PrometheusMetrics) -> None:
    """Nothing was measured where nothing was worth saying."""
    metrics.request_done(
        record(outcome=Outcome.EMPTY, reason="unwelcome-here", prompt_tokens=0)
    )
    found = series(metrics)
    assert found["midfill_empty_requests_total/starter/unwelcome-here"] == 1
    assert not [name for name in found if "duration_seconds" in name]


def test_a_restart_is_counted_once(metrics: PrometheusMetrics) -> None:
    """News of its progress are no further restarts."""
    for state in ("restarting", "restarting", "ready", "restarting", "failed"):
        metrics.engine_changed(MODEL, EngineState(state))
    found = series(metrics)
    assert found["midfill_engine_restarts_total/starter"] == 2
    assert found["midfill_engine_state/starter/failed"] == 1
    assert found["midfill_engine_state/starter/restarting"] == 0


def test_load_and_its_shedding_are_seen(metrics: PrometheusMetrics) -> None:
    """The step is a gauge, entering it is counted, and so are refusals."""
    metrics.load_changed(MODEL, running=3, waiting=5)
    for step in (1, 1, 5, 0):
        metrics.overload_changed(MODEL, OverloadStep(step))
    metrics.request_refused(Route.INFILL, Refusal.QUOTA)
    found = series(metrics)
    assert found["midfill_running_generations/starter"] == 3
    assert found["midfill_waiting_generations/starter"] == 5
    assert found["midfill_overload_step/starter"] == 0
    assert found["midfill_overload_steps_total/starter/no-speculation"] == 1
    assert found["midfill_overload_steps_total/starter/reject"] == 1
    assert found["midfill_refused_requests_total/infill/quota"] == 1


def test_what_becomes_of_suggestions_is_counted(metrics: PrometheusMetrics) -> None:
    """In suggestions and in code points."""
    metrics.feedback(
        Feedback(
            event=FeedbackEvent.KEPT,
            model=MODEL,
            language="Go",
            source=Source.CACHE,
            chars=12,
        )
    )
    found = series(metrics)
    assert found["midfill_suggestions_total/starter/go/kept/cache"] == 1
    assert found["midfill_suggestion_chars_total/starter/go/kept/cache"] == 12


def test_random_names_make_no_series(metrics: PrometheusMetrics) -> None:
    """Thousands of made-up models and languages share one series (PYSEC-2026-4325)."""
    made_up = random.Random(1)  # noqa: S311 - the same names in each run

    def word() -> str:
        return "".join(made_up.choices(string.printable, k=12))

    def report() -> None:
        metrics.request_done(record(model=word(), language=word()))
        metrics.feedback(
            Feedback(
                event=FeedbackEvent.SHOWN,
                model=word(),
                language=word(),
                source=Source.ENGINE,
                chars=1,
            )
        )
        metrics.load_changed(word(), running=1, waiting=1)
        metrics.overload_changed(word(), OverloadStep.REJECT)

    report()
    before = set(series(metrics))
    for _ in range(2000):
        report()
    after = series(metrics)
    assert before == set(after)
    assert after["midfill_requests_total/other/other/lsp/completed"] == 2001


def test_even_engines_are_distinguished_up_to_a_number(
    metrics: PrometheusMetrics,
) -> None:
    """A process that runs one model after the other keeps to sixteen."""
    for number in range(100):
        metrics.engine_changed(f"model-{number}", EngineState.READY)
    states = [name for name in series(metrics) if name.endswith("/ready")]
    assert len(states) == 16 + 1


def test_memory_and_processor_time_are_there(metrics: PrometheusMetrics) -> None:
    """The server's own is more than nothing; without an engine that one has none."""
    found = series(metrics)
    assert found["midfill_process_resident_memory_bytes/server"] > 1 << 20
    assert found["midfill_process_cpu_seconds_total/server"] > 0
    assert found["midfill_uptime_seconds"] > 0


def test_two_of_them_share_nothing(metrics: PrometheusMetrics) -> None:
    """A process may make as many as it likes: no registry is global."""
    metrics.request_done(record())
    assert not [name for name in series(PrometheusMetrics()) if MODEL in name]
