"""The settings decide what is measured, and where it can be read."""

import http.client
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from lsp_server.config import MetricsConfig
from lsp_server.errors import ConfigError
from lsp_server.metrics import NoMetrics, Outcome, RequestRecord, Route
from lsp_server.observability.listener import parse_address
from lsp_server.observability.observe import Observability, observed
from lsp_server.outcomes import RequestTimings, Stage

RECORD = RequestRecord(
    request_id="completion-7",
    route=Route.LSP,
    model="starter",
    language="python",
    outcome=Outcome.FAILED,
    timings=RequestTimings(
        ttft_ms=None,
        total_ms=30.0,
        prompt_tokens=9,
        cached_tokens=0,
        output_tokens=0,
        stages_ms={Stage.WAIT: 10.0, Stage.CONTEXT: 20.0},
    ),
)


@pytest.fixture
def listening() -> Iterator[Observability]:
    """Metrics that are served on a free port."""
    with observed(MetricsConfig(listen="127.0.0.1:0")) as observability:
        yield observability


def get(
    observability: Observability, path: str = "/metrics", host: str | None = None
) -> tuple[int, bytes]:
    """Ask the listener, and return the status and the body."""
    assert observability.port is not None
    headers = {} if host is None else {"Host": host}
    connection = http.client.HTTPConnection("127.0.0.1", observability.port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_metrics_are_served(listening: Observability) -> None:
    """What is reported can be read by HTTP."""
    listening.metrics.request_done(RECORD)
    status, body = get(listening)
    assert 200 == status
    assert b'outcome="failed"' in body
    assert b"_created" not in body


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/metrics", "localhost", 200),
        ("/metrics?x=1", "[::1]:9464", 200),
        ("/metrics", "evil.example", 403),
        ("/metrics", "evil.example:9464", 403),
        ("/metrics", "", 403),
        ("/", None, 404),
        ("/../metrics", None, 404),
    ],
)
def test_only_metrics_are_served_and_to_this_machine(
    listening: Observability, path: str, host: str | None, status: int
) -> None:
    """A name that was pointed here (DNS rebinding) is refused, other paths are none."""
    assert status == get(listening, path, host)[0]


@pytest.mark.parametrize(
    "address", ["", "9464", "127.0.0.1:", "127.0.0.1:99999", "0.0.0.0:1", "10.0.0.1:1"]
)
def test_an_address_that_others_could_reach_is_refused(address: str) -> None:
    """Only the loopback interface is listened on, and the error says what to write."""
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1"):
        parse_address(address)


def test_a_port_that_is_taken_costs_the_listener_alone(
    listening: Observability, caplog: pytest.LogCaptureFixture
) -> None:
    """The process goes on, and the log says why nothing listens."""
    taken = MetricsConfig(listen=f"127.0.0.1:{listening.port}")
    with caplog.at_level(logging.WARNING), observed(taken) as second:
        assert second.port is None
        assert second.render is not None
    assert "metrics.not_served" in caplog.text


def test_nothing_is_measured_that_nobody_reads() -> None:
    """Without settings there are no metrics, and neither library is imported."""
    with observed(MetricsConfig()) as observability:
        assert isinstance(observability.metrics, NoMetrics)
        assert observability.vllm is None
    code = (
        "import sys; from lsp_server.config import MetricsConfig;"
        "from lsp_server.observability.observe import observed\n"
        "with observed(MetricsConfig()): pass\n"
        "assert not {'prometheus_client', 'opentelemetry', 'vllm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A collector's address, and the requests that it has got."""
    got: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            got.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()


def test_a_request_becomes_a_trace(
    collector: tuple[str, list[ExportTraceServiceRequest]],
) -> None:
    """The request is a span with one below it for each stage, end to end."""
    endpoint, got = collector
    with observed(MetricsConfig(otlp_endpoint=endpoint)) as observability:
        observability.metrics.request_done(RECORD)
    spans = {
        span.name: span
        for request in got
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert {"completion", "wait", "context"} == set(spans)
    whole, wait, context = spans["completion"], spans["wait"], spans["context"]
    assert whole.span_id == wait.parent_span_id == context.parent_span_id
    assert whole.start_time_unix_nano == wait.start_time_unix_nano
    assert wait.end_time_unix_nano == context.start_time_unix_nano
    took_ns = whole.end_time_unix_nano - whole.start_time_unix_nano
    assert 30_000_000 == took_ns
    attributes = {each.key: each.value for each in whole.attributes}
    assert "completion-7" == attributes["midfill.request_id"].string_value
    assert "failed" == attributes["midfill.outcome"].string_value


@pytest.mark.parametrize("endpoint", ["collector:4318", "file:///tmp/x", "http://"])
def test_an_endpoint_that_is_none_costs_the_traces_alone(
    endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The process goes on, and the log says what to write."""
    with (
        caplog.at_level(logging.WARNING),
        observed(MetricsConfig(otlp_endpoint=endpoint)) as observability,
    ):
        observability.metrics.request_done(RECORD)
    assert "traces.off" in caplog.text
