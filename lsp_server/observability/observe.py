"""Starts what the settings ask for: metrics, where they can be read, and traces.

Without any of it nothing is imported, and nothing is kept.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from lsp_server.config import MetricsConfig
from lsp_server.engine.vllm_messages import VllmMetrics
from lsp_server.errors import ConfigError
from lsp_server.metrics import Metrics, NoMetrics, RequestRecord

__all__ = ["Observability", "metrics_listener", "observed"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observability:
    """What a process measures.

    Attributes:
        metrics: What its parts report to.
        vllm: What its vLLM engines report to; None leaves vLLM's statistics off.
        render: Returns all metrics as text, and its content type; takes milliseconds,
            so call it in a thread. None where none are kept.
        port: The port that the metrics can be read on; None where they cannot.
    """

    metrics: Metrics
    vllm: VllmMetrics | None = None
    render: Callable[[], tuple[bytes, str]] | None = None
    port: int | None = None


@contextmanager
def observed(
    config: MetricsConfig, *, is_served: bool = False
) -> Generator[Observability]:
    """Measure what the settings ask for, within the block.

    A setting that cannot be met is logged, and the process goes on without it.

    Args:
        config: The settings.
        is_served: Whether somebody else serves what ``render`` returns.
    """
    if not (config.listen or config.otlp_endpoint or is_served):
        yield Observability(metrics=NoMetrics())
        return
    from prometheus_client import disable_created_metrics

    from lsp_server.observability.prometheus import PrometheusMetrics

    # Each counter would come with the time of its making, which nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's own
    vllm = VllmMetrics()
    with ExitStack() as stack:
        metrics = PrometheusMetrics(
            collectors=[vllm], trace=_start_traces(config.otlp_endpoint, stack)
        )
        port = stack.enter_context(metrics_listener(config.listen, metrics.render))
        yield Observability(
            metrics=metrics, vllm=vllm, render=metrics.render, port=port
        )


@contextmanager
def metrics_listener(
    listen: str, render: Callable[[], tuple[bytes, str]]
) -> Generator[int | None]:
    """Let metrics be read on an address, within the block; yields the port.

    Args:
        listen: The setting ``metrics.listen``; where it is empty or cannot be met, the
            block runs all the same, and there is no port.
        render: Returns the metrics and their content type; called in a thread.
    """
    from lsp_server.observability.listener import MetricsListener, parse_address

    listener = None
    try:
        if listen:
            listener = MetricsListener(parse_address(listen), render)
    except ConfigError as error:
        _log.warning("metrics.not_served", extra={"why": str(error)})
    try:
        yield listener.port if listener else None
    finally:
        if listener is not None:
            listener.close()


def _start_traces(
    endpoint: str, stack: ExitStack
) -> Callable[[RequestRecord], None] | None:
    """Return what takes requests for traces; None where none are made."""
    if not endpoint:
        return None
    from lsp_server.observability.tracing import RequestTraces, otlp_exporter

    try:
        traces = RequestTraces(otlp_exporter(endpoint))
    except ConfigError as error:
        _log.warning("traces.off", extra={"why": str(error)})
        return None
    stack.callback(traces.close)
    return traces.add
