"""What vLLM says of its own work, where its statistics are on."""

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric
    from vllm.outputs import RequestOutput
    from vllm.v1.metrics.loggers import PrometheusStatLogger

__all__ = ["VllmMetrics", "queued_ms"]


def queued_ms(output: "RequestOutput") -> float | None:
    """Return how long a request waited in vLLM to be scheduled, in milliseconds.

    None where vLLM keeps no statistics, and for a request that was aborted before.
    """
    stats = output.metrics
    if stats is None or not stats.scheduled_ts:
        return None
    return max(0.0, float(stats.scheduled_ts - stats.queued_ts) * 1e3)


class VllmMetrics:
    """vLLM's own metrics, of every vLLM engine of this process.

    vLLM puts them into prometheus_client's global registry, where each new engine takes
    the place of the one before. Here each model has a registry, and they are read
    together.
    """

    def __init__(self) -> None:
        """Start without an engine."""
        self._registries: dict[str, CollectorRegistry] = {}

    def logger_for(self, model: str) -> "type[PrometheusStatLogger]":
        """Return the class of the statistics logger of a new engine.

        Args:
            model: The name of the model; an earlier engine of the same model is
                forgotten.
        """
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        from vllm.v1.metrics.loggers import PrometheusStatLogger

        registry = self._registries[model] = CollectorRegistry()

        class StatLogger(PrometheusStatLogger):  # type: ignore[misc]  # vLLM is not typed here
            _gauge_cls = staticmethod(partial(Gauge, registry=registry))
            _counter_cls = staticmethod(partial(Counter, registry=registry))
            _histogram_cls = staticmethod(partial(Histogram, registry=registry))

        return StatLogger

    def collect(self) -> "Iterable[Metric]":
        """Return the metrics as they are now; called in any thread."""
        merged: dict[str, Metric] = {}
        for registry in tuple(self._registries.values()):
            for metric in registry.collect():
                known = merged.setdefault(metric.name, metric)
                if known is not metric:
                    known.samples.extend(metric.samples)
        return merged.values()
