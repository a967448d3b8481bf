"""A hung engine is noticed whatever is asked of it, and no other is taken for one."""

import asyncio
import contextlib

from supervised_engine import REQUEST, SCRIPT, News, Starter, Supervise, tokens_of

from lsp_server.engine.base import Engine, ReportProgress
from lsp_server.engine.hang_watch import CANARY, RestartPolicy
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.engine.supervisor import EngineSupervisor
from lsp_server.engine_values import EngineHealth, EngineState
from lsp_server.errors import (
    EngineDeadError,
)


async def test_a_hung_engine_is_restarted(supervise: Supervise, news: News) -> None:
    """A request without a token for the stall timeout counts as death."""
    starter = Starter(Script(answer_ids=(7, 8), token_delay_ms=3_600_000), SCRIPT)
    policy = RestartPolicy(watch_interval_s=0.005, idle_timeout_s=0.05)
    supervisor = supervise(starter, policy)
    await news.until(EngineState.READY)
    stuck = asyncio.create_task(tokens_of(supervisor))
    await news.until(EngineState.READY, times=2)
    assert any("hung" in each.what for each in news.items)
    stuck.cancel()
    await asyncio.wait({stuck})
    assert [7, 8] == await tokens_of(supervisor)


class WatchedEngine(ScriptedEngine):
    """Counts how often its health is asked for."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.looks = 0
        self.looked_often = asyncio.Event()

    async def health(self) -> EngineHealth:
        self.looks += 1
        if self.looks == 5:
            self.looked_often.set()
        return await super().health()


async def test_an_idle_engine_is_not_taken_for_a_hung_one(news: News) -> None:
    """However long nobody asks, an engine without requests stays."""
    engine = WatchedEngine(SCRIPT)

    async def start(_report: ReportProgress) -> Engine:
        return engine

    policy = RestartPolicy(
        watch_interval_s=0.001, idle_timeout_s=0.0, stall_timeout_s=0.0
    )
    supervisor = EngineSupervisor(start, listener=news, policy=policy)
    supervisor.begin()
    async with asyncio.timeout(60):
        await engine.looked_often.wait()
    assert [EngineState.STARTING, EngineState.READY] == news.states
    await supervisor.close()


async def test_lone_requests_that_are_given_up_do_not_hide_a_hang(
    supervise: Supervise, news: News
) -> None:
    """Each request ends before the timeout, and still the hang is seen."""
    hung = Script(answer_ids=(7, 8), token_delay_ms=3_600_000)
    policy = RestartPolicy(
        watch_interval_s=0.005, idle_timeout_s=0.2, probe_after_s=3600.0
    )
    supervisor = supervise(Starter(hung, SCRIPT), policy)
    await news.until(EngineState.READY)
    while news.states.count(EngineState.READY) < 2:
        with contextlib.suppress(TimeoutError, EngineDeadError):
            async with asyncio.timeout(0.02):
                await tokens_of(supervisor)
        await asyncio.sleep(0)
    assert any("hung" in each.what for each in news.items)


async def test_a_request_that_was_taken_back_is_no_hang(news: News) -> None:
    """The supervisor asks by itself, and a healthy engine answers."""
    engine = ScriptedEngine(SCRIPT)

    async def start(_report: ReportProgress) -> Engine:
        return engine

    policy = RestartPolicy(
        watch_interval_s=0.005, probe_after_s=0.02, idle_timeout_s=5.0
    )
    supervisor = EngineSupervisor(start, listener=news, policy=policy)
    supervisor.begin()
    await news.until(EngineState.READY)
    stream = supervisor.generate(REQUEST)
    # A request that is gone before its first token.
    supervisor._hangs._clock.note_request()
    await stream.aclose()
    async with asyncio.timeout(60):
        while supervisor._hangs._clock.overdue_s or not engine.requests:  # noqa: ASYNC110 - a debt tells nobody
            await asyncio.sleep(0)
    assert ["engine-probe"] == [r.request_id for r in engine.requests]
    assert [EngineState.STARTING, EngineState.READY] == news.states
    await supervisor.close()


async def test_a_hang_is_noticed_while_nobody_asks(
    supervise: Supervise, news: News
) -> None:
    """The supervisor asks a quiet engine by itself."""
    hung = Script(answer_ids=(7, 8), token_delay_ms=3_600_000)
    policy = RestartPolicy(
        watch_interval_s=0.005, idle_timeout_s=0.05, canary_interval_s=0.02
    )
    starter = Starter(hung, SCRIPT)
    supervise(starter, policy)
    await news.until(EngineState.READY, times=2)
    assert any("hung" in each.what for each in news.items)
    assert CANARY in starter.engines[0].requests
