"""A loop that is late has answers shortened first, then requests refused."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from admission_case import Case, settle

from lsp_server.config import AdmissionConfig
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.errors import OverloadedError
from lsp_server.service.admission import Admission
from lsp_server.service.loop_lag import LoopLag
from lsp_server.values import GenerationRequest, Hold, Priority

LATE_S = 0.2
LITTLE_LATE_S = 0.09
IN_TIME_S = 0.05

Pass = Callable[[float], Awaitable[None]]


@pytest.fixture
async def elapse(monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Return what lets so many seconds pass by the loop's clock, and timers run."""
    loop = asyncio.get_running_loop()
    now_s = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now_s)

    async def let_pass(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    return let_pass


async def be_late(lag: LoopLag, times: int, elapse: Pass) -> None:
    """Have the loop be late, and let the watch see it each time."""
    for _ in range(times):
        lag.refuses()
        await elapse(LATE_S)


async def test_a_loop_in_time_refuses_nothing() -> None:
    """Whatever comes."""
    lag = LoopLag()

    assert not any(lag.refuses() for _ in range(1_000))
    lag.close()


async def test_the_longer_a_loop_is_late_the_more_is_refused(elapse: Pass) -> None:
    """The share that is refused is the share that is said."""
    lag = LoopLag()
    await be_late(lag, 6, elapse)
    first = lag.share
    await be_late(lag, 4, elapse)

    refused = sum(lag.refuses() for _ in range(1_000))

    assert 0 < first < lag.share < 1
    assert refused == pytest.approx(1_000 * lag.share, abs=2)
    lag.close()


async def test_a_loop_that_is_in_time_again_takes_everything_again(
    elapse: Pass,
) -> None:
    """Also if nobody asks any more."""
    lag = LoopLag()
    await be_late(lag, 6, elapse)
    assert lag.share > 0

    for _ in range(40):
        await elapse(IN_TIME_S)

    assert not lag.share
    assert not lag.is_behind
    assert not any(lag.refuses() for _ in range(100))
    lag.close()


@pytest.mark.parametrize(("busy_share", "is_behind"), [(1.0, True), (0.2, False)])
async def test_a_little_late_counts_where_the_loop_itself_is_busy(
    busy_share: float,
    is_behind: bool,  # noqa: FBT001 - a case of the table
    elapse: Pass,
) -> None:
    """Not where other processes have its core: refusing would not help."""
    worked_s = 0.0
    lag = LoopLag(lambda: worked_s)
    for _ in range(4):
        lag.refuses()
        worked_s += busy_share * LITTLE_LATE_S
        await elapse(LITTLE_LATE_S)

    assert is_behind is lag.is_behind
    lag.close()


async def test_what_is_asked_for_by_hand_is_never_refused_for_it(elapse: Pass) -> None:
    """And the others before any work, with the error of a busy server."""
    engine = ScriptedEngine(Script(answer_ids=(1,)))
    admission = Admission(engine, AdmissionConfig(), running_limit=4)

    def ask(priority: Priority) -> None:
        admission.keep_up(priority)

    refused = 0
    for _ in range(12):
        ask(Priority.EXPLICIT)
        try:
            ask(Priority.AUTOMATIC)
        except OverloadedError:
            refused += 1
        await elapse(LATE_S)

    assert 0 < refused < 12
    await admission.close()


async def test_what_may_wait_without_end_is_not_refused_for_it(elapse: Pass) -> None:
    """Its answer comes late, and somebody waits for it."""
    engine = ScriptedEngine(Script(answer_ids=(1,)))
    admission = Admission(engine, AdmissionConfig(max_wait_ms=0), running_limit=4)

    for _ in range(12):
        admission.keep_up(Priority.AUTOMATIC)
        await elapse(LATE_S)

    await admission.close()


async def test_answers_are_shorter_before_anything_is_refused(elapse: Pass) -> None:
    """A little late is little to give up."""
    lag = LoopLag()
    was_behind = lag.is_behind
    await be_late(lag, 2, elapse)

    assert (False, True) == (was_behind, lag.is_behind)
    assert not any(lag.refuses() for _ in range(100))
    lag.close()


@pytest.mark.parametrize(
    ("short_tokens", "running", "may_shorten", "tokens"),
    [
        (4, 8, True, 6),
        (4, 8, False, 20),
        (4, 7, True, 20),  # that few do not make a loop late
        (0, 8, True, 20),
        (50, 8, True, 20),
    ],
)
async def test_what_nobody_asked_for_by_hand_is_shorter_while_the_loop_is_late(
    short_tokens: int,
    running: int,
    may_shorten: bool,  # noqa: FBT001 - a case of the table
    tokens: int,
    elapse: Pass,
) -> None:
    """What is held of the typed text is no part of it; in time all are as long."""
    case = Case(running=99, wait_ms=750, short_tokens=short_tokens)
    request = GenerationRequest(
        request_id="",
        token_ids=(1,),
        max_tokens=20,
        hold=Hold(text="ab", typed_ids=(0, 1), steps=()),
        may_shorten=may_shorten,
    )
    case.send(count=running - 1)
    _ = case.begin(replace(request, request_id="in time"))
    for _ in range(3):
        case.admission.keep_up(Priority.AUTOMATIC)
        await elapse(LATE_S)
    _ = case.begin(replace(request, request_id="late"))
    await settle()

    asked = {each.request_id: each.max_tokens for each in case.engine.requests}
    assert (20, tokens) == (asked["in time"], asked["late"])
    await case.end(running + 1)
    await case.admission.close()
