"""The metrics of all replicas as one page for Prometheus."""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from midfill_ray.reports import Report

__all__ = ["merged_metrics"]

_OF_ENGINES = frozenset(
    {
        "midfill_engine_restarts",
        "midfill_engine_state",
        "midfill_running_generations",
    }
)
"""What the ingress would count a second time, for the engines behind it."""


def merged_metrics(reports: Sequence[Report], *, ingress: str) -> tuple[bytes, str]:
    """Return the metrics of all replicas, with labels that tell these apart.

    The names are those of a single server, so that its dashboard and rules hold.

    Args:
        reports: What the replicas sent.
        ingress: The name of the deployment that has no engine.

    Returns:
        Text in Prometheus' format, and its content type.
    """
    registry = CollectorRegistry()
    registry.register(_Merged(reports, ingress))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Merged:
    """The metrics of several replicas, as a collector of prometheus_client's."""

    def __init__(self, reports: Sequence[Report], ingress: str) -> None:
        self._reports = reports
        self._ingress = ingress

    def collect(self) -> Iterator[Metric]:
        """Yield each metric once, with the series of all replicas."""
        merged: dict[str, Metric] = {}
        for report in self._reports:
            status = report.status
            names = {"deployment": status.deployment, "replica": status.replica}
            is_ingress = status.deployment == self._ingress
            for metric in _parsed(report.metrics):
                if is_ingress and metric.name in _OF_ENGINES:
                    continue
                held = merged.setdefault(
                    metric.name,
                    Metric(metric.name, metric.documentation, metric.type),
                )
                held.samples += [
                    sample._replace(labels={**sample.labels, **names})
                    for sample in metric.samples
                ]
        yield from merged.values()


def _parsed(text: bytes) -> Iterable[Metric]:
    parsed: Iterable[Metric] = text_string_to_metric_families(text.decode())
    return parsed
