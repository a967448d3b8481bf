"""Steps are taken at once and given back slowly; a late loop has requests refused."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lsp_server.config import AdmissionConfig
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.errors import OverloadedError
from lsp_server.outcomes import OverloadStep
from lsp_server.service.admission import Admission
from lsp_server.service.overload import LoadMeter, LoopLag, OverloadLadder, step_at
from lsp_server.values import Priority

STEPS = list(OverloadStep)


def test_more_pressure_never_calls_for_less() -> None:
    """Every step is reached, in its order, and refusing begins where all is used."""
    taken = [step_at(percent / 100) for percent in range(201)]
    assert sorted(taken) == taken
    assert STEPS == list(dict.fromkeys(taken))
    assert (OverloadStep.SLOW_DOWN, OverloadStep.REJECT) == (step_at(0.99), step_at(1))


def test_it_rises_at_once_and_falls_step_by_step() -> None:
    """After the load is gone, each second gives back one step."""
    ladder = OverloadLadder(calm_s=1.0)
    assert ladder.update(1.5, 10.0)
    assert OverloadStep.REJECT is ladder.step
    fallen = [
        (tenths / 10, ladder.step)
        for tenths in range(100, 200)
        if ladder.update(0.0, tenths / 10)
    ]
    assert [11.0, 12.0, 13.0, 14.0, 15.0] == [moment for moment, _ in fallen]
    assert STEPS[-2::-1] == [step for _, step in fallen]


def test_a_load_that_comes_and_goes_does_not_switch() -> None:
    """While the pressure is not calm for all of a second, the step stays."""
    ladder = OverloadLadder(calm_s=1.0)
    changes = [
        ladder.update(pressure, tenths / 2)
        for tenths, pressure in enumerate([0.5, 0.0, 0.3] * 30)
    ]
    assert ([0], OverloadStep.SLOW_DOWN) == (
        [at for at, changed in enumerate(changes) if changed],
        ladder.step,
    )


@pytest.mark.parametrize(
    ("users", "waiting", "since_turn_s", "pressure"),
    [
        (0, 0, 9.0, 0.0),  # nothing waits
        (4, 4, 0.0, 0.4),  # four turns of 100 ms on two places, of half a second
        (1, 40, 0.0, 0.1),  # one user's many are that user's
        (1, 75, 0.0, 0.5),  # but they fill the queue
        (1, 100, 0.0, 1.0),
        (1, 1, 0.4, 0.8),  # no turn has come for long
    ],
)
def test_pressure_is_what_a_user_without_a_queue_feels(
    users: int, waiting: int, since_turn_s: float, pressure: float
) -> None:
    """The wait for one turn of each user, a stalled engine, a queue that fills up."""
    meter = LoadMeter(running_limit=2, queue_length=100, max_wait_s=0.5)
    meter.note_taken(0.1)
    meter.note_turn(50.0)
    found = meter.pressure(users=users, waiting=waiting, now_s=50.0 + since_turn_s)
    assert pressure == pytest.approx(found)


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
    await be_late(lag, 2, elapse)
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
    await be_late(lag, 2, elapse)
    assert lag.share > 0

    for _ in range(20):
        await elapse(IN_TIME_S)

    assert not lag.share
    assert not any(lag.refuses() for _ in range(100))
    lag.close()


@pytest.mark.parametrize(("busy_share", "refuses"), [(1.0, True), (0.2, False)])
async def test_a_little_late_counts_where_the_loop_itself_is_busy(
    busy_share: float,
    refuses: bool,  # noqa: FBT001 - a case of the table
    elapse: Pass,
) -> None:
    """Not where other processes have its core: refusing would not help."""
    worked_s = 0.0
    lag = LoopLag(lambda: worked_s)
    for _ in range(4):
        lag.refuses()
        worked_s += busy_share * LITTLE_LATE_S
        await elapse(LITTLE_LATE_S)

    assert refuses is (lag.share > 0)
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
