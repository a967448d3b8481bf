"""Events are lines on a stream, and a trace takes the times of a request."""

import io
import logging
from collections.abc import Iterator

import pytest

from lsp_server.config import LogLevel
from lsp_server.outcomes import Stage
from lsp_server.telemetry import RequestTrace, configure_logging
from lsp_server.values import TokenDelta


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """A stream in stderr's place; the root logger is as before afterwards."""
    root = logging.getLogger()
    before = list(root.handlers), root.level
    libraries = ("pygls", "asyncio", "vllm", "transformers", "torch")
    names = ("lsp_server", *libraries)
    levels = {name: logging.getLogger(name).level for name in names}
    yield io.StringIO()
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_an_event_is_one_line_with_its_fields(stream: io.StringIO) -> None:
    """The event's name and its fields come in one line, strings quoted."""
    configure_logging(LogLevel.INFO, stream)
    logging.getLogger("lsp_server.x").info(
        "engine.start",
        extra={"request_id": "r\n1", "total_ms": 3},
    )
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("INFO engine.start request_id='r\\n1' total_ms=3")


def test_what_libraries_add_to_every_record_is_not_shown(stream: io.StringIO) -> None:
    """vLLM and Ray replace what makes the records, whenever they are loaded."""
    configure_logging(LogLevel.INFO, stream)
    usual = logging.getLogRecordFactory()

    def with_fields(*args: object, **kwargs: object) -> logging.LogRecord:
        record = usual(*args, **kwargs)
        record.vllm_process_name = "Main"
        record._ray_timestamp_ns = 1
        return record

    logging.setLogRecordFactory(with_fields)
    try:
        logging.getLogger("lsp_server.x").info("engine.start", extra={"total_ms": 3})
    finally:
        logging.setLogRecordFactory(usual)
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("INFO engine.start total_ms=3")


def test_libraries_are_hushed(stream: io.StringIO) -> None:
    """pygls logs the user's code at INFO; it must not, even when we debug."""
    configure_logging(LogLevel.DEBUG, stream)
    logging.getLogger("pygls.protocol").info("secret")
    logging.getLogger("lsp_server.x").debug("shown")
    assert "secret" not in stream.getvalue()
    assert "shown" in stream.getvalue()


def test_the_level_holds(stream: io.StringIO) -> None:
    """Events below the level are not written."""
    configure_logging(LogLevel.ERROR, stream)
    logging.getLogger("lsp_server.x").warning("quiet")
    assert "" == stream.getvalue()


def test_an_exception_is_written_out(stream: io.StringIO) -> None:
    """A logged exception brings its traceback."""
    configure_logging(LogLevel.INFO, stream)
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("lsp_server.x").exception("engine.broke")
    assert "ValueError: boom" in stream.getvalue()


def test_a_trace_takes_first_token_and_total() -> None:
    """TTFT is from arrival to the first delta that holds a token."""
    ticks = iter([0.0, 0.05, 0.25, 1.0])
    trace = RequestTrace(clock=lambda: next(ticks))
    trace.prompt_built(40)
    trace.delta_came(TokenDelta(token_ids=(), num_cached_tokens=32))
    trace.delta_came(TokenDelta(token_ids=(1, 2)))
    trace.delta_came(TokenDelta(token_ids=(3,)))
    timings = trace.timings()
    assert 250.0 == timings.ttft_ms
    assert 1000.0 == timings.total_ms
    assert (40, 32, 3) == (
        timings.prompt_tokens,
        timings.cached_tokens,
        timings.output_tokens,
    )


def test_the_stages_take_the_whole_time() -> None:
    """Each stage lasts from the end of the one before; the engine says what queued."""
    ticks = iter([1.0, 1.05, 1.1, 1.2, 1.6, 1.9, 2.0, 2.0])
    trace = RequestTrace(arrived_s=0.5, clock=lambda: next(ticks))
    trace.end(Stage.DEBOUNCE)
    trace.end(Stage.CONTEXT)
    trace.prompt_built(40)
    trace.delta_came(TokenDelta(token_ids=(1,), queued_ms=150.0))
    trace.delta_came(TokenDelta(token_ids=(2,)))
    trace.generated()
    trace.end(Stage.FILTERS)
    timings = trace.timings()
    assert list(Stage) == list(timings.stages_ms)
    assert [500, 50, 50, 100, 150, 250, 300, 100] == [
        round(each) for each in timings.stages_ms.values()
    ]
    assert sum(timings.stages_ms.values()) == pytest.approx(timings.total_ms)
    assert timings.ttft_ms == pytest.approx(1100)


def test_a_request_that_is_broken_off_has_no_later_stages() -> None:
    """What never came is left out, and no engine queues for longer than it took."""
    ticks = iter([0.0, 0.1, 0.2, 0.3])
    trace = RequestTrace(clock=lambda: next(ticks))
    trace.generated()
    assert [Stage.WAIT] == list(trace.timings().stages_ms)
    trace.delta_came(TokenDelta(token_ids=(1,), queued_ms=1e9))
    assert trace.timings().stages_ms[Stage.PREFILL] == 0


def test_a_trace_without_tokens_has_no_first() -> None:
    """No token, no time to it."""
    assert RequestTrace(clock=lambda: 0.0).timings().ttft_ms is None
