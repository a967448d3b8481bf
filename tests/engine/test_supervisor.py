"""The supervisor starts an engine, notices its death, and starts it again."""

import asyncio
import contextlib

import pytest
from supervised_engine import REQUEST, SCRIPT, News, Starter, Supervise, tokens_of

from lsp_server.engine.base import Engine, ReportProgress
from lsp_server.engine.hang_watch import RestartPolicy
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.engine.supervisor import EngineSupervisor
from lsp_server.engine_values import EngineState
from lsp_server.errors import (
    EngineDeadError,
)


async def test_begin_returns_before_the_engine_is_there(
    supervise: Supervise, news: News
) -> None:
    """STARTING is reported at once, READY later; until then a request fails at once."""
    supervisor = supervise(Starter(SCRIPT))
    supervisor.begin()
    assert [EngineState.STARTING] == news.states
    assert [False] == [supervisor.ready]
    with pytest.raises(EngineDeadError, match="starting"):
        await tokens_of(supervisor)
    with pytest.raises(EngineDeadError):
        _ = supervisor.info
    await supervisor.abort("r")
    await news.until(EngineState.READY)
    assert supervisor.ready
    assert [7, 8] == await tokens_of(supervisor)
    assert "scripted" == supervisor.info.name
    assert EngineState.READY is supervisor.state


async def test_a_death_in_mid_stream_restarts(supervise: Supervise, news: News) -> None:
    """The stream fails, RESTARTING comes once, and the next request is answered."""
    starter = Starter(Script(answer_ids=(7, 8), die_after_requests=1), SCRIPT)
    supervisor = supervise(starter)
    await news.until(EngineState.READY)
    with pytest.raises(EngineDeadError):
        await tokens_of(supervisor)
    await news.until(EngineState.READY, times=2)
    assert [
        EngineState.STARTING,
        EngineState.READY,
        EngineState.RESTARTING,
        EngineState.READY,
    ] == news.states
    assert [7, 8] == await tokens_of(supervisor)
    assert EngineState.CLOSED is (await starter.engines[0].health()).state


async def test_a_death_while_idle_is_seen(supervise: Supervise, news: News) -> None:
    """Nobody asks anything, and still the engine is started again."""
    starter = Starter(SCRIPT)
    supervise(starter)
    await news.until(EngineState.READY)
    await starter.engines[0].close()
    await news.until(EngineState.READY, times=2)
    assert 2 == starter.starts


async def test_a_start_reports_how_far_it_is(news: News) -> None:
    """Percentages are reported with the state that the start belongs to."""

    async def start(report: ReportProgress) -> Engine:
        report(40, "half way")
        return await ScriptedEngine.start(SCRIPT)

    supervisor = EngineSupervisor(start, listener=news)
    supervisor.begin()
    await news.until(EngineState.READY)
    reported = [(n.state, n.percent) for n in news.items]
    starting = EngineState.STARTING
    assert [(starting, 0), (starting, 40), (EngineState.READY, None)] == reported
    await supervisor.close()


async def test_an_unforeseen_error_is_reported(
    supervise: Supervise, news: News
) -> None:
    """An error outside the tree does not end the supervisor in silence."""
    supervise(Starter(ZeroDivisionError("oops"), SCRIPT))
    await news.until(EngineState.READY)
    assert "an internal error (ZeroDivisionError)" == news.items[1].what


async def test_a_slow_start_times_out(supervise: Supervise, news: News) -> None:
    """A start that outlasts its timeout is given up and tried again."""
    slow = Script(answer_ids=(7,), start_delay_ms=3_600_000)
    policy = RestartPolicy(start_timeout_s=0.01, watch_interval_s=0.005)
    supervise(Starter(slow, SCRIPT), policy)
    await news.until(EngineState.READY)
    assert "the engine was not ready after 0.01 s" == news.items[1].what


async def test_close_during_a_start_cancels_it(news: News) -> None:
    """Close does not wait for the engine to load, and nothing comes after CLOSED."""
    begun: asyncio.Future[asyncio.Task[None]] = asyncio.Future()

    async def start(_report: ReportProgress) -> Engine:
        task = asyncio.current_task()
        assert task is not None
        begun.set_result(task)
        await asyncio.Event().wait()
        raise AssertionError

    supervisor = EngineSupervisor(start, listener=news)
    supervisor.begin()
    starting = await begun
    closing = asyncio.create_task(supervisor.close())
    await asyncio.sleep(0)
    times_cancelled = starting.cancelling()
    starting.cancel()  # So that this ends also where close merely waits.
    await closing
    assert 1 == times_cancelled, "close waits for the start instead of cancelling it"
    await supervisor.close()
    assert [EngineState.STARTING, EngineState.CLOSED] == news.states


async def test_close_ends_the_engine(supervise: Supervise, news: News) -> None:
    """After close the engine is closed and requests fail."""
    starter = Starter(SCRIPT)
    supervisor = supervise(starter)
    await news.until(EngineState.READY)
    await supervisor.close()
    assert EngineState.CLOSED is (await starter.engines[0].health()).state
    assert EngineState.CLOSED is (await supervisor.health()).state
    with pytest.raises(EngineDeadError, match="closed"):
        await tokens_of(supervisor)


async def test_close_before_begin(news: News) -> None:
    """A supervisor that never began can be closed, and does not begin any more."""
    starter = Starter(SCRIPT)
    supervisor = EngineSupervisor(starter, listener=news)
    await supervisor.close()
    supervisor.begin()
    assert [EngineState.CLOSED] == news.states
    assert 0 == starter.starts


async def test_abort_and_closing_reach_the_engine(
    supervise: Supervise, news: News
) -> None:
    """What ends a stream of the supervisor ends the engine's request."""
    starter = Starter(SCRIPT)
    supervisor = supervise(starter)
    await news.until(EngineState.READY)
    async with contextlib.aclosing(supervisor.generate(REQUEST)) as deltas:
        await anext(deltas)
        assert 1 == (await supervisor.health()).requests_in_flight
    assert ["r"] == list(starter.engines[0].aborted)
    assert 0 == (await supervisor.health()).requests_in_flight
    async with contextlib.aclosing(supervisor.generate(REQUEST)) as deltas:
        await anext(deltas)
        await supervisor.abort("r")
        rest = [delta async for delta in deltas]
    assert 1 == len(rest)
    assert ["r", "r"] == list(starter.engines[0].aborted)
