"""Makes an OpenTelemetry trace of each request, with a span for each stage.

The times are measured anyway, so that the spans are made when a request has ended, and
sent from a thread. They hold no text.
"""

import logging
import time
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from lsp_server import __version__
from lsp_server.errors import ConfigError
from lsp_server.metrics import Outcome, RequestRecord
from lsp_server.observability.labels import language_label

__all__ = ["RequestTraces", "otlp_exporter"]

_TRACES_PATH = "/v1/traces"
_NS_PER_MS = 1_000_000
_FLUSH_MS = 500


def otlp_exporter(endpoint: str) -> SpanExporter:
    """Return what sends spans to a collector by OTLP over HTTP.

    Args:
        endpoint: The collector's address; without a path OTLP's own is added.

    Raises:
        ConfigError: It is no address of HTTP.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(
            "it is no address of HTTP",
            subject="metrics.otlp_endpoint",
            remedy="write it like http://127.0.0.1:4318",
        )
    if parts.path in {"", "/"}:
        parts = parts._replace(path=_TRACES_PATH)
    return OTLPSpanExporter(endpoint=parts.geturl())


class RequestTraces:
    """Makes traces, and sends them in batches.

    Args:
        exporter: Sends them.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        """Start the thread that sends."""
        # The exporter logs a traceback for each batch that the collector did not take.
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)
        resource = Resource.create(
            {"service.name": "midfill", "service.version": __version__}
        )
        # Not set as the global provider: this one is the process's own.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("midfill")

    def add(self, record: RequestRecord) -> None:
        """Make a trace of a request that has just ended."""
        timings = record.timings
        end_ns = time.time_ns()
        start_ns = end_ns - int(timings.total_ms * _NS_PER_MS)
        request = self._tracer.start_span(
            "completion",
            kind=SpanKind.SERVER,
            start_time=start_ns,
            attributes={
                "midfill.request_id": record.request_id,
                "midfill.route": record.route.value,
                "midfill.language": language_label(record.language),
                "midfill.outcome": record.outcome.value,
                "midfill.reason": record.reason,
                "midfill.trigger": record.trigger.value if record.trigger else "",
                "midfill.saved_tokens": record.saved_tokens,
                "gen_ai.request.model": record.model,
                "gen_ai.usage.input_tokens": timings.prompt_tokens,
                "gen_ai.usage.cache_read.input_tokens": timings.cached_tokens,
                "gen_ai.usage.output_tokens": timings.output_tokens,
            },
        )
        if record.outcome is Outcome.FAILED:
            request.set_status(Status(StatusCode.ERROR))
        within = set_span_in_context(request)
        stage_ns = start_ns
        for stage, stage_ms in timings.stages_ms.items():
            span = self._tracer.start_span(
                stage.value, context=within, start_time=stage_ns
            )
            stage_ns += int(stage_ms * _NS_PER_MS)
            span.end(end_time=stage_ns)
        request.end(end_time=end_ns)

    def close(self) -> None:
        """Send what is left, if that takes half a second at most; blocks."""
        self._provider.force_flush(_FLUSH_MS)
