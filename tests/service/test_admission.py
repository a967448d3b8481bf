"""Who is scheduled when, who is refused, and what is left behind."""

import asyncio
import time

import pytest
from admission_case import Case, settle

from lsp_server.errors import (
    DeadlinePassedError,
    OverloadedError,
    UserOverloadedError,
)
from lsp_server.outcomes import OverloadStep
from lsp_server.values import FinishReason, GenerationRequest, Priority

NOBODY = GenerationRequest(request_id="x", token_ids=(1,), max_tokens=1, user="x")


@pytest.mark.parametrize("running", [1, 2])
async def test_a_thousand_requests_do_not_delay_another_users_first(
    running: int,
) -> None:
    """It is scheduled next, as soon as one of the thousand has ended."""
    case = Case(running=running, queue=2000, per_user=2000)
    case.send("greedy", count=1000)
    await settle()
    case.send("other")
    await settle()
    await case.end()
    first = [f"greedy{number}" for number in range(running)]
    assert [*first, "other1000"] == case.scheduled
    await case.end(1000)
    assert [FinishReason.LENGTH] * 1001 == [task.result() for task in case.tasks]


async def test_users_take_turns_whatever_each_has_sent() -> None:
    """Three users with unequal queues get equal shares while all of them wait."""
    case = Case(running=3)
    for user, count in (("a", 20), ("b", 6), ("c", 3)):
        case.send(user, count=count)
    await settle()
    await case.end(9)
    assert {"a": 6, "b": 3, "c": 3} == {
        user: sum(each.startswith(user) for each in case.scheduled) for user in "abc"
    }
    await case.end(20)


async def test_more_urgent_ones_go_first_and_none_waits_for_ever() -> None:
    """Eight turns after it could have gone, a less urgent request goes."""
    case = Case()
    for priority in (*reversed(Priority), *[Priority.EXPLICIT] * 20):
        case.send(priority.name.lower(), priority)
    await settle()
    await case.end(30)
    order = [each.rstrip("0123456789") for each in case.scheduled]
    assert ["prewarm", *["explicit"] * 8, "automatic", "speculative"] == order[:11]
    assert ["explicit"] * 13 == order[11:]


async def test_one_whose_deadline_comes_is_never_scheduled() -> None:
    """It fails when its time is over, and not only when its turn comes."""
    case = Case()
    case.send("a")
    await settle()
    late = case.ask("b", deadline_s=asyncio.get_running_loop().time() + 0.02)
    over = case.ask("c", deadline_s=asyncio.get_running_loop().time() - 1)
    for task in (over, late):
        with pytest.raises(DeadlinePassedError):
            await task
    await case.end(3)
    assert (["a0"], 0) == (case.scheduled, case.admission.waiting)


async def test_a_deadline_holds_when_its_timer_is_late() -> None:
    """On a loop that was held up, a turn may come before the timer: not for this."""
    case = Case()
    turns = case.admission._turns
    first = await turns.take(NOBODY)
    late = case.ask("b", deadline_s=asyncio.get_running_loop().time() + 0.01)
    await settle()
    time.sleep(0.02)  # noqa: ASYNC251 - the loop is held up on purpose
    assert first is not None
    turns.give_back(first, None)
    with pytest.raises(DeadlinePassedError):
        await late
    assert ([], 0) == (case.scheduled, case.admission.running)


async def test_automatic_ones_wait_so_long_and_explicit_ones_as_they_say() -> None:
    """The limit is for what nobody asked for by hand."""
    case = Case(wait_ms=20)
    case.send("a")
    await settle()
    automatic, explicit = case.ask("b"), case.ask("c", Priority.EXPLICIT)
    with pytest.raises(DeadlinePassedError):
        await automatic
    await case.end(2)
    assert FinishReason.LENGTH is await explicit


async def test_what_cannot_be_scheduled_in_time_is_refused_at_once() -> None:
    """Once it is known how long a request takes, nobody waits in vain."""
    case = Case(wait_ms=240_000)
    for _ in range(2):
        case.admission._turns._meter.note_taken(25.0)
    case.send("a")
    await settle()
    tasks = [case.ask(user) for user in "bcdef"]
    await settle()
    refused = [task for task in tasks if task.done()]
    assert tasks[2:] == refused
    assert 75 == pytest.approx(_refusal(refused[0]).retry_after_s, rel=0.1)
    assert OverloadStep.REJECT is case.admission.step
    # One user's own queue is that user's matter.
    own = case.ask("b")
    await settle()
    assert isinstance(own.exception(), OverloadedError)
    await case.end(3)


async def test_while_requests_are_refused_the_queue_is_shorter() -> None:
    """What waits then does not get the engine to do more."""
    case = Case(wait_ms=240_000)
    for _ in range(2):
        case.admission._turns._meter.note_taken(25.0)
    case.send("a")
    await settle()
    tasks = [case.ask(user) for user in "bcd"]
    await settle()
    assert [False, False, True] == [task.done() for task in tasks]
    assert OverloadStep.REJECT is case.admission.step
    await case.end(2)  # one runs now, and nobody waits
    later = [case.ask(user) for user in "ef"]
    await settle()
    assert [False, True] == [task.done() for task in later]
    await case.end(2)


def _refusal(task: asyncio.Task[FinishReason | None]) -> OverloadedError:
    error = task.exception()
    assert isinstance(error, OverloadedError)
    return error


async def test_a_full_queue_makes_room_for_who_has_less_in_it() -> None:
    """The newest of the user with the most gives way; less urgent ones before."""
    case = Case(queue=4)
    case.send("a", count=4)
    case.send("a", Priority.PREWARM)
    await settle()
    case.send("b", Priority.AUTOMATIC)  # for it, what is not urgent gives way
    case.send("b", Priority.AUTOMATIC)  # and then the newest of whoever has most
    case.send("b", Priority.AUTOMATIC)  # but not for one who has as many
    await settle()
    ended = [at for at, task in enumerate(case.tasks) if task.done()]
    assert [3, 4, 7] == ended
    assert all(_refusal(case.tasks[at]).retry_after_s >= 1 for at in ended)
    await case.end(8)
    assert ["a0", "b5", "a1", "b6", "a2"] == case.scheduled


async def test_each_user_has_a_limit_of_its_own() -> None:
    """More than that of one user's are refused, and the others' are not."""
    case = Case(per_user=2)
    mine = [case.ask("a") for _ in range(5)]
    other = case.ask("b")
    await settle()
    assert [False, False, False, True, True, False] == [
        t.done() for t in [*mine, other]
    ]
    assert isinstance(mine[4].exception(), UserOverloadedError)
    with pytest.raises(UserOverloadedError):
        case.admission.check(user="a", priority=Priority.EXPLICIT, deadline_s=None)
    case.admission.check(user="b", priority=Priority.EXPLICIT, deadline_s=None)
    await case.end(4)


async def test_a_thousand_refusals_of_a_full_queue_take_no_time() -> None:
    """Each comes within milliseconds, however much waits."""
    case = Case(queue=1000, per_user=2)
    for number in range(1001):
        case.send(f"user-{number}-")
    await settle()
    times_ms = []
    for number in range(1000):
        began = time.process_time()
        with pytest.raises(OverloadedError):
            await case.ask(f"late-{number}-")
        times_ms.append((time.process_time() - began) * 1e3)
    assert sorted(times_ms)[989] < 5
    for task in case.tasks:
        task.cancel()


async def test_speculation_ends_when_requests_wait() -> None:
    """Nobody waits for it, so it is refused first."""
    case = Case(wait_ms=300_000)
    case.admission._turns._meter.note_taken(10.0)
    case.send("a")
    await settle()
    free = case.ask("a", Priority.SPECULATIVE)
    await settle()
    case.send("b")
    await settle()
    refused = case.ask("c", Priority.SPECULATIVE)
    await settle()
    assert (False, OverloadedError) == (free.done(), type(refused.exception()))
    assert OverloadStep.NO_SPECULATION is case.admission.step
    await case.end(3)


async def test_one_users_queue_degrades_that_user_alone() -> None:
    """The step of a user counts what that user has waiting."""
    case = Case(wait_ms=300_000)
    case.admission._turns._meter.note_taken(3.0)
    case.send("a", count=25)
    await settle()
    steps = (case.admission.step_for("a"), case.admission.step_for("b"))
    assert (OverloadStep.SLOW_DOWN, OverloadStep.NORMAL) == steps
    await case.end(25)


async def test_a_step_is_reported_when_it_changes_and_when_the_load_has_gone() -> None:
    """Watchers learn of a fall, too, though nothing happens any more."""
    case = Case(wait_ms=300_000)
    seen: asyncio.Queue[OverloadStep] = asyncio.Queue()
    case.admission.watch(seen.put_nowait)
    end = case.admission.watch(lambda _: pytest.fail("it was to stop"))
    end()
    case.admission._turns._meter.note_taken(10.0)
    case.send("a")
    case.send("b")
    assert OverloadStep.NO_SPECULATION is await seen.get()
    await case.end(2)
    async with asyncio.timeout(60):
        assert OverloadStep.NORMAL is await seen.get()
