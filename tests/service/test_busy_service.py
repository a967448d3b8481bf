"""What a completion does without while its engine has more to do than it can."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from lsp_server.config import AdmissionConfig, CompletionConfig
from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.errors import OverloadedError
from lsp_server.metrics import NoMetrics, Refusal, Route
from lsp_server.outcomes import CompletionResult, OverloadStep
from lsp_server.service import reasons
from lsp_server.service.admission import Admission
from lsp_server.service.completion import CompletionService
from lsp_server.service.gate import full_error, late_error
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Priority, Snapshot, Trigger

AtCursor = Callable[[str], Snapshot]
MakeService = Callable[..., tuple[CompletionService, ScriptedEngine]]

LONG = "".join(f"value_{number} = {number}\n" for number in range(2000))


@dataclass
class FixedGate:
    """A gate that says the same to everybody."""

    step: OverloadStep = OverloadStep.NORMAL
    error: OverloadedError | None = None
    asked: list[Priority] = field(default_factory=list)

    def step_for(self, user: str) -> OverloadStep:  # noqa: ARG002 - as a `Gate`
        return self.step

    def load_beside(self, user: str) -> float:  # noqa: ARG002 - as a `Gate`
        return 0.0

    def keep_up(self, priority: Priority) -> None:
        """Refuse nothing, as a server that keeps up."""

    def check(self, *, user: str, priority: Priority, deadline_s: float | None) -> None:
        assert deadline_s is not None, user
        self.asked.append(priority)
        if self.error is not None:
            raise self.error


class RefusalMetrics(NoMetrics):
    """Keeps what was refused."""

    def __init__(self) -> None:
        self.refusals: list[tuple[Route, Refusal]] = []

    def request_refused(self, route: Route, refusal: Refusal) -> None:
        self.refusals.append((route, refusal))


async def complete(
    service: CompletionService, snapshot: Snapshot, trigger: Trigger = Trigger.INVOKED
) -> CompletionResult:
    """Ask the service."""
    return await service.complete(
        snapshot, request_id="r1", trigger=trigger, typed=TypedAhead()
    )


@pytest.mark.parametrize("step", OverloadStep)
async def test_each_step_gives_up_more(
    make_service: MakeService, at_cursor: AtCursor, step: OverloadStep
) -> None:
    """First the further candidates, then half of the prompt; an answer still comes."""
    service, engine = make_service("one\n", further=["two\n"], gate=FixedGate(step))
    result = await complete(service, at_cursor(LONG + "x = |\n" + LONG))
    assert "one" == result.completions[0].text
    assert len(engine.requests) == (3 if step < OverloadStep.ONE_CANDIDATE else 1)
    is_short = len(engine.requests[0].token_ids) < 600
    assert is_short is (step >= OverloadStep.LESS_CONTEXT)


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (full_error("r1", 1), Refusal.OVERLOADED),
        (late_error("r1", 1), Refusal.LATE),
    ],
)
async def test_who_is_refused_gets_an_empty_answer_with_its_reason(
    make_service: MakeService,
    at_cursor: AtCursor,
    error: OverloadedError,
    refusal: Refusal,
) -> None:
    """Before a prompt is built; and it is counted."""
    metrics, gate = RefusalMetrics(), FixedGate(error=error)
    service, engine = make_service("one\n", gate=gate, metrics=metrics)
    for trigger in Trigger:
        result = await complete(service, at_cursor("x = |\n"), trigger)
        assert (reasons.BUSY, ()) == (result.reason, result.completions)
    assert ((), [(Route.LSP, refusal)] * 2) == (engine.requests, metrics.refusals)
    assert [Priority.EXPLICIT, Priority.AUTOMATIC] == gate.asked


async def test_further_candidates_that_find_no_place_cost_the_first_nothing(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """An explicit request is answered with what could be generated."""
    service, engine = make_service(
        "one\n", further=["two\n", "three\n"], config=CompletionConfig(candidates=3)
    )
    config = AdmissionConfig(per_user=1)
    service._engine = Admission(engine, config, running_limit=1)
    result = await complete(service, at_cursor("x = |\n"))
    assert ["one", "two"] == [each.text for each in result.completions]


async def test_a_request_that_is_refused_in_the_queue_is_busy_too(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """What passed the gate may still be refused."""
    service, engine = make_service("one\n")
    service._engine = admission = Admission(engine, AdmissionConfig(), running_limit=1)
    await admission.drain(0)
    assert reasons.BUSY == (await complete(service, at_cursor("x = |\n"))).reason


async def test_a_server_that_is_behind_refuses_before_it_looks_at_the_text(
    make_service: MakeService, at_cursor: AtCursor
) -> None:
    """Also where nothing would be suggested: that takes a scan to see."""
    service, _ = make_service("one\n")

    class BehindGate(FixedGate):
        def keep_up(self, priority: Priority) -> None:
            if priority > Priority.EXPLICIT:
                raise full_error("a request", 0.0)

    service._gate = BehindGate()
    behind = await complete(service, at_cursor("na|me = 1\n"), Trigger.AUTOMATIC)
    by_hand = await complete(service, at_cursor("x = |\n"), Trigger.INVOKED)

    assert reasons.BUSY == behind.reason
    assert by_hand.completions
