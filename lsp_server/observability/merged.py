"""The metrics of several processes as one page for Prometheus."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Page", "merged"]

_OF_ENGINES = frozenset(
    {
        "midfill_engine_restarts",
        "midfill_engine_state",
        "midfill_gpu_memory_total_bytes",
        "midfill_gpu_memory_used_bytes",
        "midfill_gpu_utilisation_ratio",
        "midfill_running_generations",
    }
)
"""What a process without an engine would count a second time, for the one it uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The metrics of one process.

    Attributes:
        labels: Tell its series from those of the others.
        has_engine: Whether its engine is its own.
        text: The metrics in Prometheus' text format.
    """

    labels: Mapping[str, str]
    has_engine: bool
    text: bytes


def merged(pages: Sequence[Page]) -> tuple[bytes, str]:
    """Return the metrics of all processes, with their labels.

    The names are those of a single server, so that its dashboard and rules hold.

    Returns:
        Text in Prometheus' format, and its content type.
    """
    registry = CollectorRegistry()
    registry.register(_Merged(pages))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Merged:
    """The metrics of several processes, as a collector of prometheus_client's."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = pages

    def collect(self) -> Iterator[Metric]:
        """Yield each metric once, with the series of all processes."""
        found: dict[str, Metric] = {}
        for page in self._pages:
            for metric in _parsed(page.text):
                if metric.name in _OF_ENGINES and not page.has_engine:
                    continue
                held = found.setdefault(
                    metric.name,
                    Metric(metric.name, metric.documentation, metric.type),
                )
                held.samples += [
                    sample._replace(labels={**sample.labels, **page.labels})
                    for sample in metric.samples
                ]
        yield from found.values()


def _parsed(text: bytes) -> Iterable[Metric]:
    parsed: Iterable[Metric] = text_string_to_metric_families(text.decode())
    return parsed
