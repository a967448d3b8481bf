"""Every request is reported once, however it ends."""

import asyncio
from collections.abc import Callable

import pytest

from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.errors import EngineDeadError
from lsp_server.metrics import NoMetrics, Outcome, RequestRecord, Route
from lsp_server.outcomes import CompletionResult, Stage, StopCause
from lsp_server.service.completion import CompletionService
from lsp_server.service.inflight import Inflight
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Snapshot, Trigger

AtCursor = Callable[[str], Snapshot]
MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]


class Records(NoMetrics):
    """Keeps the requests that are reported."""

    def __init__(self) -> None:
        self.records: list[RequestRecord] = []

    def request_done(self, record: RequestRecord) -> None:
        self.records.append(record)

    @property
    def only(self) -> RequestRecord:
        (record,) = self.records
        return record


async def ask(service: CompletionService, snapshot: Snapshot) -> CompletionResult:
    """Make one request."""
    return await service.complete(
        snapshot, request_id="r1", trigger=Trigger.AUTOMATIC, typed=TypedAhead()
    )


@pytest.mark.parametrize(
    ("marked", "text", "outcome", "reason"),
    [
        ("x = |\n", "1\n", Outcome.COMPLETED, ""),
        ("x = |\n", "   \n", Outcome.EMPTY, "filter-"),
        ("fo|o = 1\n", "1\n", Outcome.EMPTY, "inside-word"),
    ],
)
async def test_a_request_is_reported_with_its_outcome(
    make_service: MakeService,
    at_cursor: AtCursor,
    *,
    marked: str,
    text: str,
    outcome: Outcome,
    reason: str,
) -> None:
    """The record names model, language and outcome; an answered one has all stages."""
    records = Records()
    service, _ = make_service(text, metrics=records)
    result = await service.complete(
        at_cursor(marked),
        request_id="r1",
        trigger=Trigger.AUTOMATIC,
        typed=TypedAhead(),
        route=Route.INFILL,
    )
    record = records.only
    assert (outcome, "test-model", "python") == (
        record.outcome,
        record.model,
        record.language,
    )
    assert record.reason.startswith(reason)
    assert record.route is Route.INFILL
    assert "test-model" == result.model
    if result.timings is not None:
        assert set(Stage) == set(record.timings.stages_ms)
        total_ms = sum(record.timings.stages_ms.values())
        assert 0 < total_ms <= record.timings.total_ms + 1


@pytest.mark.parametrize("newer", [True, False])
async def test_a_broken_off_request_says_why_and_what_it_saved(
    make_service: MakeService, at_cursor: AtCursor, *, newer: bool
) -> None:
    """A newer request supersedes, else it was cancelled; the rest of it is saved."""
    first_token = asyncio.Event()

    async def hang_after_one(_: float) -> None:
        if first_token.is_set():
            await asyncio.Event().wait()
        first_token.set()

    records = Records()
    service, _ = make_service("a = b + c\n", metrics=records, sleep=hang_after_one)
    inflight: Inflight[CompletionResult] = Inflight()
    running = asyncio.create_task(
        inflight.run("doc", lambda: ask(service, at_cursor("x = |\n")))
    )
    await first_token.wait()
    await asyncio.sleep(0)
    if newer:
        inflight.supersede("doc")
        assert await running is None
    else:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    await inflight.close()
    expected = Outcome.SUPERSEDED if newer else Outcome.CANCELLED
    assert expected is records.only.outcome
    assert records.only.timings.output_tokens == 1
    # 48 of a line, one of the blank that was held, less the one that came.
    assert records.only.saved_tokens == 48


async def test_a_failed_request_saves_nothing(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """An engine that dies is a failure of the request, and raises on."""
    records = Records()
    service, _ = make_service("a = b\n", metrics=records, die_after_requests=1)
    with pytest.raises(EngineDeadError):
        await ask(service, at_cursor("x = |\n"))
    assert (Outcome.FAILED, 0) == (records.only.outcome, records.only.saved_tokens)


async def test_the_wait_is_from_the_arrival_on(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """A message that waited in the loop was waiting."""
    records = Records()
    service, _ = make_service("1\n", metrics=records)
    typed = TypedAhead()
    typed.arrived_s -= 3
    await service.complete(
        at_cursor("x = |\n"), request_id="r1", trigger=Trigger.INVOKED, typed=typed
    )
    assert records.only.timings.stages_ms[Stage.WAIT] >= 3000
    assert records.only.timings.total_ms >= 3000


@pytest.mark.parametrize(
    ("marked", "text", "cause", "saved_tokens"),
    [
        # Of a line's 48 tokens, with one for the held blank, five are generated.
        ("x = |\n", "1 + 2\nmore", StopCause.LINE, 43),
        ("f(|)\n", "a)\n", StopCause.CLOSER, 46),
        ("def f():\n    |\n", "a = 1\n    return a\nf()\n", StopCause.BLOCK, 119),
    ],
)
async def test_what_ending_a_generation_saves_is_reported_by_its_cause(
    make_service: MakeService,
    at_cursor: AtCursor,
    *,
    marked: str,
    text: str,
    cause: StopCause,
    saved_tokens: int,
) -> None:
    """A line is allowed less than a block; what the model ends itself saves nothing."""
    records = Records()
    service, _ = make_service(text, metrics=records)
    await ask(service, at_cursor(marked))
    assert records.only.stopped == ((cause, saved_tokens),)
    assert records.only.saved_tokens == saved_tokens


async def test_a_line_has_no_more_tokens_than_lines_may(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """Also where it might have opened a block, which may have more."""
    records = Records()
    service, _ = make_service("a + " * 60, metrics=records)
    await ask(service, at_cursor("x = |\n"))
    assert records.only.timings.output_tokens == 49
    assert (records.only.saved_tokens, records.only.stopped) == (0, ())
