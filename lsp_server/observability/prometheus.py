"""Midfill's own metrics, as Prometheus reads them.

``docs/metrics.md`` says what each of them means. Labels are bounded: see `labels`.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    generate_latest,
)
from prometheus_client.metrics_core import Metric

from lsp_server import __version__
from lsp_server.engine_values import EngineState
from lsp_server.metrics import Feedback, Outcome, Refusal, RequestRecord, Route
from lsp_server.observability.collectors import GpuCollector, MemoryCollector
from lsp_server.observability.labels import KnownModels, language_label
from lsp_server.outcomes import OverloadStep, Source, StopCause

__all__ = ["BUCKETS_MS", "Collector", "PrometheusMetrics"]

BUCKETS_MS = (1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 500, 1000, 2000)
"""Upper bounds of every histogram of times, in milliseconds.

A completion that comes later than 300 ms is hardly seen, so that half of the buckets
lie below 100 ms. vLLM's own begin at 300 ms.
"""

_BUCKETS_S = tuple(each / 1e3 for each in BUCKETS_MS)
_MODEL_AND_LANGUAGE = ("model", "language")
_ANSWERED = frozenset({Outcome.COMPLETED, Outcome.EMPTY})


class Collector(Protocol):
    """Something that has metrics of its own."""

    def collect(self) -> Iterable[Metric]:
        """Return the metrics as they are now; called in any thread."""
        ...


class PrometheusMetrics:
    """Counts what is reported, in a registry of its own.

    Args:
        registry: Holds the metrics; nothing else may have registered these names.
        collectors: What else is rendered.
        trace: Takes each request that has ended, to make a trace of it.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        collectors: Iterable[Collector] = (),
        trace: Callable[[RequestRecord], None] | None = None,
    ) -> None:
        """Make every metric, and those series whose labels are known already."""
        # Not prometheus_client's global registry, in which libraries put theirs.
        self._registry = registry or CollectorRegistry()
        self._trace = trace
        self._models = KnownModels()
        self._states: dict[str, EngineState] = {}
        self._steps: dict[str, OverloadStep] = {}
        self._make_request_metrics()
        self._make_engine_metrics()
        self._registry.register(MemoryCollector())
        self._registry.register(GpuCollector())
        for collector in collectors:
            self._registry.register(collector)

    def render(self) -> tuple[bytes, str]:
        """Return all metrics in Prometheus' text format, and its content type.

        Takes some milliseconds; may be called in any thread.
        """
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def request_done(self, record: RequestRecord) -> None:
        """Count a request that has ended, with its times and tokens."""
        model, language = self._labels(record.model, record.language)
        outcome = record.outcome.value
        timings = record.timings
        self._requests.labels(model, language, record.route.value, outcome).inc()
        if record.outcome is Outcome.FAILED:
            self._failed.labels(model).inc()
        if record.reason:
            self._empty.labels(model, record.reason).inc()
        if record.saved_tokens:
            self._saved.labels(model, outcome).inc(record.saved_tokens)
        for cause, tokens in record.stopped:
            self._stopped.labels(model, cause.value).inc(tokens)
        if self._trace is not None:
            self._trace(record)
        if record.outcome in _ANSWERED:
            self._answers.labels(model, language, timings.source.value).inc()
        if timings.prompt_tokens or timings.source is not Source.ENGINE:
            self._measure(record, model, language)

    def _measure(self, record: RequestRecord, model: str, language: str) -> None:
        """Measure the times and tokens of a request that had a prompt."""
        timings = record.timings
        cached = min(timings.cached_tokens, timings.prompt_tokens)
        new = timings.prompt_tokens - cached
        self._prompt_tokens.labels(model, language, "new").inc(new)
        self._prompt_tokens.labels(model, language, "cached").inc(cached)
        self._output_tokens.labels(model, language).inc(timings.output_tokens)
        for stage, stage_ms in timings.stages_ms.items():
            self._stages.labels(model, language, stage.value).observe(stage_ms / 1e3)
        if timings.ttft_ms is not None:
            self._first_token.labels(model, language).observe(timings.ttft_ms / 1e3)
        if record.outcome in _ANSWERED:
            # The others end when somebody else wants it.
            self._duration.labels(model, language).observe(timings.total_ms / 1e3)

    def request_refused(self, route: Route, refusal: Refusal) -> None:
        """Count a request that was refused before any work was done for it."""
        self._refused.labels(route.value, refusal.value).inc()

    def feedback(self, feedback: Feedback) -> None:
        """Count what became of a suggestion."""
        names = self._labels(feedback.model, feedback.language)
        labels = (*names, feedback.source.value, feedback.event.value)
        self._suggestions.labels(*labels).inc()
        self._suggested_chars.labels(*labels).inc(feedback.chars)

    def engine_changed(self, model: str, state: EngineState) -> None:
        """Note an engine's state; a change to ``RESTARTING`` counts as a restart."""
        if self._models.add(model):
            self._begin_model(model)
        label = self._models.label(model)
        if state is self._states.get(label):
            return
        self._states[label] = state
        if state is EngineState.RESTARTING:
            self._restarts.labels(label).inc()
        for each in EngineState:
            self._state.labels(label, each.value).set(each is state)

    def load_changed(self, model: str, *, running: int, waiting: int) -> None:
        """Note how many generations an engine works on, and how many wait for it."""
        label = self._models.label(model)
        self._running.labels(label).set(running)
        self._waiting.labels(label).set(waiting)

    def overload_changed(self, model: str, step: OverloadStep) -> None:
        """Note how far an engine's load is being shed."""
        label = self._models.label(model)
        if step is self._steps.get(label, OverloadStep.NORMAL):
            return
        self._steps[label] = step
        self._step.labels(label).set(step)
        self._steps_taken.labels(label, _word(step)).inc()

    def _labels(self, model: str, language: str) -> tuple[str, str]:
        """Return the two labels that a client could choose, bounded."""
        return self._models.label(model), language_label(language)

    def _begin_model(self, model: str) -> None:
        """Make the series of a model, so that the first event is an increase, too."""
        self._restarts.labels(model)
        self._failed.labels(model)
        for outcome in Outcome:
            self._saved.labels(model, outcome.value)
        for cause in StopCause:
            self._stopped.labels(model, cause.value)
        for step in OverloadStep:
            self._steps_taken.labels(model, _word(step))
        self._step.labels(model).set(0)
        self._running.labels(model).set(0)
        self._waiting.labels(model).set(0)

    def _make_request_metrics(self) -> None:
        """Make what is counted for each request and suggestion."""
        counter, histogram = self._counter, self._histogram
        self._requests = counter(
            "midfill_requests",
            "Requests that ended, by how.",
            (*_MODEL_AND_LANGUAGE, "route", "outcome"),
        )
        self._answers = counter(
            "midfill_answers",
            "Answers, with or without a suggestion, by where they come from.",
            (*_MODEL_AND_LANGUAGE, "source"),
        )
        self._empty = counter(
            "midfill_empty_requests",
            "Requests without a suggestion, by the reason.",
            ("model", "reason"),
        )
        self._failed = counter(
            "midfill_failed_requests", "Requests that failed.", ("model",)
        )
        self._refused = counter(
            "midfill_refused_requests",
            "Requests refused before any work was done for them.",
            ("route", "reason"),
        )
        for route in Route:
            for refusal in Refusal:
                self._refused.labels(route.value, refusal.value)
        self._duration = histogram(
            "midfill_request_duration_seconds",
            "From the arrival of an answered request to its answer.",
            _MODEL_AND_LANGUAGE,
        )
        self._first_token = histogram(
            "midfill_time_to_first_token_seconds",
            "From the arrival of a request to its first token.",
            _MODEL_AND_LANGUAGE,
        )
        self._stages = histogram(
            "midfill_stage_duration_seconds",
            "How long each stage of a request took.",
            (*_MODEL_AND_LANGUAGE, "stage"),
        )
        self._prompt_tokens = counter(
            "midfill_prompt_tokens",
            "Tokens of prompts: new ones, and those of the engine's prefix cache.",
            (*_MODEL_AND_LANGUAGE, "source"),
        )
        self._output_tokens = counter(
            "midfill_output_tokens", "Tokens generated.", _MODEL_AND_LANGUAGE
        )
        self._saved = counter(
            "midfill_saved_tokens",
            "Tokens not generated, because the generation was broken off; at most.",
            ("model", "outcome"),
        )
        text = "Those of them that Midfill saved by ending a generation, by the cause."
        self._stopped = counter("midfill_stopped_tokens", text, ("model", "cause"))
        labels = (*_MODEL_AND_LANGUAGE, "source", "event")
        self._suggestions = counter(
            "midfill_suggestions", "What became of suggestions in editors.", labels
        )
        self._suggested_chars = counter(
            "midfill_suggestion_chars", "The same in code points.", labels
        )

    def _make_engine_metrics(self) -> None:
        """Make what is known of engines and of this process."""
        counter, gauge = self._counter, self._gauge
        self._restarts = counter(
            "midfill_engine_restarts", "Restarts of the engine.", ("model",)
        )
        self._state = gauge(
            "midfill_engine_state",
            "1 for the state that the engine is in.",
            ("model", "state"),
        )
        self._running = gauge(
            "midfill_running_generations",
            "Generations that the engine works on.",
            ("model",),
        )
        self._waiting = gauge(
            "midfill_waiting_generations",
            "Generations that wait to be passed to the engine.",
            ("model",),
        )
        self._step = gauge(
            "midfill_overload_step",
            "How far load is being shed, from 0 (not at all) to 5 (requests rejected).",
            ("model",),
        )
        self._steps_taken = counter(
            "midfill_overload_steps",
            "How often each step of shedding load was entered.",
            ("model", "step"),
        )
        info = Info("midfill_build", "The version.", registry=self._registry)
        info.info({"version": __version__})

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...]) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(
            name, text, labels, buckets=_BUCKETS_S, registry=self._registry
        )


def _word(step: OverloadStep) -> str:
    """Return a step's name as a label."""
    return step.name.lower().replace("_", "-")
