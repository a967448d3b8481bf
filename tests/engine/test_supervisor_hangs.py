"""A hung engine is noticed whatever is asked of it, and no other is taken for one."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from supervised_engine import SCRIPT, News, tokens_of

from lsp_server.engine.base import Engine, ReportProgress
from lsp_server.engine.hang_watch import CANARY, RestartPolicy
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.engine.supervisor import EngineSupervisor
from lsp_server.engine_values import EngineHealth, EngineState

HUNG = Script(answer_ids=(7, 8), token_delay_ms=3_600_000)
POLICY = RestartPolicy(watch_interval_s=0.001, probe_after_s=3600.0)
STARTED = [EngineState.STARTING, EngineState.READY]


class CheckedEngine(ScriptedEngine):
    """Says when its health has been checked, or it has been closed."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.checked = asyncio.Event()

    async def health(self) -> EngineHealth:
        self.checked.set()
        return await super().health()

    async def close(self) -> None:
        self.checked.set()
        await super().close()


class Supervised:
    """A supervisor of one engine and those after it, on a clock that a test moves."""

    def __init__(self, news: News) -> None:
        self._news = news
        self._now_s = 0.0
        self.engines: list[CheckedEngine] = []

    async def begin(self, script: Script, policy: RestartPolicy) -> None:
        """Start an engine; those after it work."""

        async def start(_report: ReportProgress) -> Engine:
            self.engines.append(CheckedEngine(SCRIPT if self.engines else script))
            return self.engines[-1]

        self.supervisor = EngineSupervisor(
            start, listener=self._news, policy=policy, now_s=lambda: self._now_s
        )
        self.supervisor.begin()
        await self._news.until(EngineState.READY)

    async def pass_time(self, seconds: int) -> None:
        """Let time pass, with a check of the first engine in every second."""
        for _ in range(seconds):
            self._now_s += 1.0
            if (
                EngineState.READY
                is (await ScriptedEngine.health(self.engines[0])).state
            ):
                self.engines[0].checked.clear()
                await self.engines[0].checked.wait()

    async def ask_and_give_up(self) -> None:
        """Send a request, and take it back before its first token."""
        request = asyncio.create_task(tokens_of(self.supervisor))
        await asyncio.sleep(0)
        request.cancel()
        await asyncio.wait({request})


@pytest.fixture
async def supervised(news: News) -> AsyncIterator[Supervised]:
    """A supervisor that has not begun; closed at the end."""
    supervised = Supervised(news)
    yield supervised
    await supervised.supervisor.close()


async def test_a_hung_engine_is_restarted(supervised: Supervised, news: News) -> None:
    """A request without a token for the stall timeout counts as death."""
    await supervised.begin(HUNG, POLICY)
    stuck = asyncio.create_task(tokens_of(supervised.supervisor))
    await asyncio.sleep(0)
    await supervised.pass_time(9)
    assert "the engine hung for 9 s" == news.items[-1].what
    await news.until(EngineState.READY, times=2)
    stuck.cancel()
    await asyncio.wait({stuck})
    assert [7, 8] == await tokens_of(supervised.supervisor)


async def test_an_idle_engine_is_not_taken_for_a_hung_one(
    supervised: Supervised, news: News
) -> None:
    """However long nobody asks, an engine without requests stays."""
    await supervised.begin(HUNG, POLICY)
    await supervised.pass_time(100)
    assert STARTED == news.states
    assert () == supervised.engines[0].requests


async def test_lone_requests_that_are_given_up_do_not_hide_a_hang(
    supervised: Supervised, news: News
) -> None:
    """Each request ends within a second, and still the hang is seen after nine."""
    await supervised.begin(HUNG, POLICY)
    for _ in range(9):
        assert STARTED == news.states
        await supervised.ask_and_give_up()
        await supervised.pass_time(1)
    assert "the engine hung for 9 s" == news.items[-1].what


async def test_a_request_that_was_taken_back_is_no_hang(
    supervised: Supervised, news: News
) -> None:
    """The supervisor asks by itself, and a healthy engine answers."""
    await supervised.begin(SCRIPT, RestartPolicy(watch_interval_s=0.001))
    await supervised.ask_and_give_up()
    await supervised.pass_time(20)
    assert ["r", "engine-probe"] == [
        each.request_id for each in supervised.engines[0].requests
    ]
    assert STARTED == news.states


async def test_a_hang_is_noticed_while_nobody_asks(
    supervised: Supervised, news: News
) -> None:
    """The supervisor asks a quiet engine by itself."""
    policy = RestartPolicy(watch_interval_s=0.001, canary_interval_s=5.0)
    await supervised.begin(HUNG, policy)
    await supervised.pass_time(20)
    assert any("hung" in each.what for each in news.items)
    assert CANARY in supervised.engines[0].requests
