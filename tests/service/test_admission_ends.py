"""What frees a place in the queue, and how a queue ends."""

import asyncio

from admission_case import Case, settle

from lsp_server.errors import (
    EngineDeadError,
    OverloadedError,
)
from lsp_server.outcomes import OverloadStep
from lsp_server.values import FinishReason, GenerationRequest

NOBODY = GenerationRequest(request_id="x", token_ids=(1,), max_tokens=1, user="x")


async def test_a_storm_of_cancellations_leaves_nothing() -> None:
    """Waiting or running: the queue is empty, every place free, and work goes on."""
    case = Case(running=3, queue=1000)
    for number in range(300):
        case.send(f"user-{number % 7}-")
        if number % 10 == 0:
            await asyncio.sleep(0)
    for task in case.tasks[::2]:
        task.cancel()
    await settle()
    for task in case.tasks:
        task.cancel()
    await settle()
    assert (0, 0) == (case.admission.running, case.admission.waiting)
    assert OverloadStep.NORMAL is case.admission.step
    again = case.ask("again")
    await case.end()
    assert FinishReason.LENGTH is again.result()


async def test_a_turn_that_comes_with_the_cancellation_goes_to_the_next() -> None:
    """Nothing is lost when a request is granted and cancelled in one moment."""
    case = Case()
    turns = case.admission._turns
    first = await turns.take(NOBODY)
    granted, following = case.ask("b"), case.ask("c")
    await settle()
    assert first is not None
    turns.give_back(first, None)
    granted.cancel()
    await case.end()
    assert (["c1"], FinishReason.LENGTH) == (case.scheduled, following.result())


async def test_a_waiting_request_can_be_aborted_by_its_id() -> None:
    """It ends as an aborted one ends in the engine; a running one ends there."""
    case = Case()
    running, waiting = case.ask("a"), case.ask("b")
    await settle()
    await case.admission.abort("b1")
    await case.admission.abort("a0")
    await case.admission.abort("unknown")
    await case.end()
    assert FinishReason.ABORT is waiting.result() is running.result()


async def test_an_engine_that_fails_frees_its_place() -> None:
    """The error reaches its own caller, and the next request is tried."""
    case = Case()
    await case.engine.close()
    tasks = [case.ask("a") for _ in range(3)]
    await settle()
    assert all(isinstance(task.exception(), EngineDeadError) for task in tasks)
    assert (0, 0) == (case.admission.running, case.admission.waiting)


async def test_a_drain_lets_everything_end() -> None:
    """New requests are refused, running and waiting ones are completed."""
    case = Case()
    there = [case.ask("a"), case.ask("b")]
    await settle()
    drain = asyncio.create_task(case.admission.drain(30))
    await settle()
    assert case.admission.draining
    refused = case.ask("c")
    await case.end(2)
    assert 0 == await drain
    assert [FinishReason.LENGTH] * 2 == [task.result() for task in there]
    assert isinstance(refused.exception(), OverloadedError)
    assert 0 == await case.admission.drain(30)


async def test_a_drain_aborts_what_is_left_at_its_limit() -> None:
    """Running ones end as aborted, waiting ones are refused."""
    case = Case()
    running, waiting = case.ask("a"), case.ask("b")
    await settle()
    drain = asyncio.create_task(case.admission.drain(0.02))
    while (
        waiting
        not in (await asyncio.wait(case.tasks, return_when="FIRST_COMPLETED"))[0]
    ):
        pass
    await case.end()  # the engine looks at an abort before its next token
    assert 2 == await drain
    assert FinishReason.ABORT is running.result()
    assert isinstance(waiting.exception(), OverloadedError)


async def test_closing_refuses_what_waits_and_ends_the_engine() -> None:
    """Nobody waits for an engine that is gone."""
    case = Case()
    case.send("a")
    waiting = case.ask("b")
    await settle()
    await case.admission.close()
    await case.end()
    assert isinstance(waiting.exception(), OverloadedError)
    assert isinstance(case.tasks[0].exception(), EngineDeadError)
    assert "closed" == (await case.admission.health()).state.value


async def test_leaving_the_stream_frees_the_place() -> None:
    """A consumer that stops early aborts the request in the engine."""
    case = Case()
    stream = case.admission.generate(
        GenerationRequest(request_id="a", token_ids=(1,), max_tokens=2)
    )
    case._permits.release()
    assert (7,) == (await anext(stream)).token_ids
    await stream.aclose()
    assert (("a",), 0) == (case.engine.aborted, case.admission.running)
