"""The supervisor starts an engine, notices its death, and starts it again."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable

import pytest

from lsp_server.config import EngineConfig, EngineKind
from lsp_server.engine.base import Engine, ReportProgress
from lsp_server.engine.hang_watch import CANARY
from lsp_server.engine.restart_policy import RestartPolicy
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.engine.supervisor import EngineSupervisor
from lsp_server.engine_values import EngineHealth, EngineNews, EngineState
from lsp_server.errors import (
    ConfigError,
    EngineDeadError,
    EngineStartError,
    MidfillError,
    ModelIntegrityError,
)
from lsp_server.values import GenerationRequest, TokenDelta

SCRIPT = Script(answer_ids=(7, 8))
REQUEST = GenerationRequest(request_id="r", token_ids=(1, 2), max_tokens=8)
FAST = RestartPolicy(watch_interval_s=0.005, max_restarts=2)


class Heard:
    """A listener whose news can be waited for."""

    def __init__(self) -> None:
        self.news: list[EngineNews] = []
        self._changed = asyncio.Event()

    def __call__(self, news: EngineNews) -> None:
        self.news.append(news)
        self._changed.set()

    @property
    def states(self) -> list[EngineState]:
        return [news.state for news in self.news]

    async def until(self, state: EngineState, times: int = 1) -> None:
        """Wait until a state was heard of so many times."""
        async with asyncio.timeout(5):
            while self.states.count(state) < times:
                self._changed.clear()
                await self._changed.wait()


class Starter:
    """Starts scripted engines, or raises, in the order that a test lays down.

    The last entry goes for every later start.
    """

    def __init__(self, *plan: Script | Exception) -> None:
        self._plan = plan
        self.engines: list[ScriptedEngine] = []
        self.starts = 0

    async def __call__(self, _tell: ReportProgress) -> Engine:
        step = self._plan[min(self.starts, len(self._plan) - 1)]
        self.starts += 1
        if isinstance(step, Exception):
            raise step
        self.engines.append(await ScriptedEngine.start(step))
        return self.engines[-1]


Supervise = Callable[..., EngineSupervisor]


@pytest.fixture
async def heard() -> Heard:
    """What the supervisor under test tells."""
    return Heard()


@pytest.fixture
async def pauses() -> list[float]:
    """The pauses before the restarts, in seconds; none of them takes time."""
    return []


@pytest.fixture
async def supervise(heard: Heard, pauses: list[float]) -> AsyncIterator[Supervise]:
    """Make a supervisor that has begun and is closed at the end."""
    made: list[EngineSupervisor] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    def make(starter: Starter, policy: RestartPolicy = FAST) -> EngineSupervisor:
        supervisor = EngineSupervisor(
            starter, listener=heard, policy=policy, sleep=sleep
        )
        supervisor.begin()
        made.append(supervisor)
        return supervisor

    yield make
    for supervisor in made:
        await supervisor.close()


async def tokens_of(engine: Engine) -> list[int]:
    """The tokens that an engine answers with."""
    async with contextlib.aclosing(engine.generate(REQUEST)) as deltas:
        return [token async for delta in deltas for token in delta.token_ids]


def start_error() -> EngineStartError:
    """A failure that may pass."""
    return EngineStartError("no memory", subject="m", remedy="wait")


async def test_begin_returns_before_the_engine_is_there(
    supervise: Supervise, heard: Heard
) -> None:
    """STARTING is heard at once, READY later; until then a request fails at once."""
    supervisor = supervise(Starter(SCRIPT))
    supervisor.begin()
    assert [EngineState.STARTING] == heard.states
    assert [False] == [supervisor.ready]
    with pytest.raises(EngineDeadError, match="starting"):
        await tokens_of(supervisor)
    with pytest.raises(EngineDeadError):
        _ = supervisor.info
    await supervisor.abort("r")
    await heard.until(EngineState.READY)
    assert supervisor.ready
    assert [7, 8] == await tokens_of(supervisor)
    assert "scripted" == supervisor.info.name
    assert EngineState.READY is supervisor.state


async def test_a_death_in_mid_stream_restarts(
    supervise: Supervise, heard: Heard
) -> None:
    """The stream fails, RESTARTING is heard once, and the next request is answered."""
    starter = Starter(Script(answer_ids=(7, 8), die_after_requests=1), SCRIPT)
    supervisor = supervise(starter)
    await heard.until(EngineState.READY)
    with pytest.raises(EngineDeadError):
        await tokens_of(supervisor)
    await heard.until(EngineState.READY, times=2)
    assert [
        EngineState.STARTING,
        EngineState.READY,
        EngineState.RESTARTING,
        EngineState.READY,
    ] == heard.states
    assert [7, 8] == await tokens_of(supervisor)
    assert EngineState.CLOSED is (await starter.engines[0].health()).state


async def test_a_death_while_idle_is_seen(supervise: Supervise, heard: Heard) -> None:
    """Nobody asks anything, and still the engine is started again."""
    starter = Starter(SCRIPT)
    supervise(starter)
    await heard.until(EngineState.READY)
    await starter.engines[0].close()
    await heard.until(EngineState.READY, times=2)
    assert 2 == starter.starts


async def test_a_hung_engine_is_restarted(supervise: Supervise, heard: Heard) -> None:
    """A request without a token for the stall timeout counts as death."""
    starter = Starter(Script(answer_ids=(7, 8), token_delay_ms=3_600_000), SCRIPT)
    policy = RestartPolicy(watch_interval_s=0.005, idle_timeout_s=0.05)
    supervisor = supervise(starter, policy)
    await heard.until(EngineState.READY)
    stuck = asyncio.create_task(tokens_of(supervisor))
    await heard.until(EngineState.READY, times=2)
    assert any("hung" in news.what for news in heard.news)
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


async def test_an_idle_engine_is_not_taken_for_a_hung_one(heard: Heard) -> None:
    """However long nobody asks, an engine without requests stays."""
    engine = WatchedEngine(SCRIPT)

    async def start(_tell: ReportProgress) -> Engine:
        return engine

    policy = RestartPolicy(
        watch_interval_s=0.001, idle_timeout_s=0.0, stall_timeout_s=0.0
    )
    supervisor = EngineSupervisor(start, listener=heard, policy=policy)
    supervisor.begin()
    async with asyncio.timeout(5):
        await engine.looked_often.wait()
    assert [EngineState.STARTING, EngineState.READY] == heard.states
    await supervisor.close()


async def test_it_gives_up_with_growing_pauses(
    supervise: Supervise, heard: Heard, pauses: list[float]
) -> None:
    """After max_restarts in a row it says FAILED, with the reason, and stops."""
    starter = Starter(start_error())
    policy = RestartPolicy(max_restarts=4, first_delay_s=1.0, longest_delay_s=3.0)
    supervisor = supervise(starter, policy)
    await heard.until(EngineState.FAILED)
    assert 5 == starter.starts
    assert [1.0, 2.0, 3.0, 3.0] == pauses
    last = heard.news[-1]
    assert ("m: no memory, after 4 restarts", "wait") == (last.what, last.remedy)
    health = await supervisor.health()
    assert (EngineState.FAILED, last.what) == (health.state, health.detail)


async def test_a_finished_generation_resets_the_count(
    supervise: Supervise, heard: Heard, pauses: list[float]
) -> None:
    """An engine that works between its deaths is never given up."""
    starter = Starter(Script(answer_ids=(7, 8), die_after_requests=2))
    supervisor = supervise(starter, RestartPolicy(max_restarts=1, first_delay_s=1.0))
    for life in range(1, 5):
        await heard.until(EngineState.READY, times=life)
        assert [7, 8] == await tokens_of(supervisor)
        with pytest.raises(EngineDeadError):
            await tokens_of(supervisor)
    assert EngineState.FAILED not in heard.states
    assert {1.0} == set(pauses)


async def test_a_generation_that_we_end_resets_the_count(
    supervise: Supervise, heard: Heard, pauses: list[float]
) -> None:
    """Most completions end by our own stop rule; a token is a sign of life."""
    starter = Starter(Script(answer_ids=(7, 8), die_after_requests=2))
    supervisor = supervise(starter, RestartPolicy(max_restarts=1, first_delay_s=1.0))
    for life in range(1, 5):
        await heard.until(EngineState.READY, times=life)
        async with contextlib.aclosing(supervisor.generate(REQUEST)) as deltas:
            await anext(deltas)
        with pytest.raises(EngineDeadError):
            await tokens_of(supervisor)
    assert EngineState.FAILED not in heard.states
    assert {1.0} == set(pauses)


async def test_what_was_there_before_may_come_back(
    supervise: Supervise, heard: Heard, pauses: list[float]
) -> None:
    """A restart that lacks memory is tried again: a killed engine frees it late."""
    lacking = EngineStartError("no memory", subject="m", remedy="free", lasting=True)
    starter = Starter(Script(answer_ids=(7, 8), die_after_requests=1), lacking, SCRIPT)
    supervisor = supervise(starter, FAST)
    await heard.until(EngineState.READY)
    with pytest.raises(EngineDeadError):
        await tokens_of(supervisor)
    await heard.until(EngineState.READY, times=2)
    assert 2 == len(pauses)


async def test_an_engine_that_was_given_up_starts_again_if_asked(
    supervise: Supervise, heard: Heard
) -> None:
    """The user has mended what was wrong; there is no pause before the start."""
    broken = ModelIntegrityError("a shard is cut off", subject="m", remedy="copy it")
    supervisor = supervise(Starter(broken, SCRIPT))
    await heard.until(EngineState.FAILED)
    supervisor.restart()
    await heard.until(EngineState.READY)
    assert [7, 8] == await tokens_of(supervisor)


async def test_a_restart_does_not_wait_for_the_pause(heard: Heard) -> None:
    """Asked for between two attempts, the next one comes at once."""
    starter = Starter(start_error(), SCRIPT)
    policy = RestartPolicy(first_delay_s=3600.0, longest_delay_s=3600.0)
    supervisor = EngineSupervisor(starter, listener=heard, policy=policy)
    supervisor.begin()
    await heard.until(EngineState.RESTARTING)
    supervisor.restart()
    await heard.until(EngineState.READY)
    await supervisor.close()


async def test_a_working_engine_is_started_again_if_asked(
    supervise: Supervise, heard: Heard
) -> None:
    """The news says that it was wanted, and does not count against the engine."""
    starter = Starter(SCRIPT)
    supervisor = supervise(starter)
    for life in range(1, 6):
        await heard.until(EngineState.READY, times=life)
        supervisor.restart()
    await heard.until(EngineState.READY, times=6)
    told = {n.what for n in heard.news if n.state is EngineState.RESTARTING}
    assert {"a restart was asked for"} == told
    assert 5 == heard.news[-1].restarts


async def test_a_start_tells_how_far_it_is(heard: Heard) -> None:
    """Percentages are told with the state that the start belongs to."""

    async def start(tell: ReportProgress) -> Engine:
        tell(40, "half way")
        return await ScriptedEngine.start(SCRIPT)

    supervisor = EngineSupervisor(start, listener=heard)
    supervisor.begin()
    await heard.until(EngineState.READY)
    told = [(n.state, n.percent) for n in heard.news]
    starting = EngineState.STARTING
    assert [(starting, 0), (starting, 40), (EngineState.READY, None)] == told
    await supervisor.close()


async def test_lone_requests_that_are_given_up_do_not_hide_a_hang(
    supervise: Supervise, heard: Heard
) -> None:
    """Each request ends before the timeout, and still the hang is seen."""
    hung = Script(answer_ids=(7, 8), token_delay_ms=3_600_000)
    policy = RestartPolicy(
        watch_interval_s=0.005, idle_timeout_s=0.2, probe_after_s=3600.0
    )
    supervisor = supervise(Starter(hung, SCRIPT), policy)
    await heard.until(EngineState.READY)
    while heard.states.count(EngineState.READY) < 2:
        with contextlib.suppress(TimeoutError, EngineDeadError):
            async with asyncio.timeout(0.02):
                await tokens_of(supervisor)
        await asyncio.sleep(0)
    assert any("hung" in news.what for news in heard.news)


async def test_a_request_that_was_taken_back_is_no_hang(heard: Heard) -> None:
    """The supervisor asks by itself, and a healthy engine answers."""
    engine = ScriptedEngine(SCRIPT)

    async def start(_tell: ReportProgress) -> Engine:
        return engine

    policy = RestartPolicy(
        watch_interval_s=0.005, probe_after_s=0.02, idle_timeout_s=5.0
    )
    supervisor = EngineSupervisor(start, listener=heard, policy=policy)
    supervisor.begin()
    await heard.until(EngineState.READY)
    stream = supervisor.generate(REQUEST)
    # A request that is gone before its first token.
    supervisor._hangs._clock.note_request()
    await stream.aclose()
    async with asyncio.timeout(5):
        while supervisor._hangs._clock.overdue_s or not engine.requests:  # noqa: ASYNC110 - a debt tells nobody
            await asyncio.sleep(0)
    assert ["engine-probe"] == [r.request_id for r in engine.requests]
    assert [EngineState.STARTING, EngineState.READY] == heard.states
    await supervisor.close()


async def test_a_hang_is_noticed_while_nobody_asks(
    supervise: Supervise, heard: Heard
) -> None:
    """The supervisor asks a quiet engine by itself."""
    hung = Script(answer_ids=(7, 8), token_delay_ms=3_600_000)
    policy = RestartPolicy(
        watch_interval_s=0.005, idle_timeout_s=0.05, canary_interval_s=0.02
    )
    starter = Starter(hung, SCRIPT)
    supervise(starter, policy)
    await heard.until(EngineState.READY, times=2)
    assert any("hung" in news.what for news in heard.news)
    assert CANARY in starter.engines[0].requests


async def test_canaries_do_not_hide_a_crash_loop(
    supervise: Supervise, heard: Heard
) -> None:
    """An engine that dies of every request is given up, though it answers canaries."""
    starter = Starter(Script(answer_ids=(7, 8), die_after_requests=3))
    policy = dataclasses.replace(FAST, canary_interval_s=0.001)
    supervise(starter, policy)
    await heard.until(EngineState.FAILED)
    assert 3 == starter.starts


async def test_a_crash_loop_ends(supervise: Supervise, heard: Heard) -> None:
    """An engine that starts but never finishes a generation is given up."""
    starter = Starter(Script(answer_ids=(7, 8), die_after_requests=1))
    supervisor = supervise(starter)
    for life in range(1, 4):
        await heard.until(EngineState.READY, times=life)
        with pytest.raises(EngineDeadError):
            await tokens_of(supervisor)
    await heard.until(EngineState.FAILED)
    assert 3 == starter.starts


@pytest.mark.parametrize(
    "error",
    [
        ModelIntegrityError("a shard is cut off", subject="m", remedy="copy it again"),
        ConfigError("too many tokens", subject="engine.max_model_len", remedy="less"),
        EngineStartError("no memory", subject="m", remedy="free some", lasting=True),
    ],
)
async def test_the_hopeless_is_not_tried_again(
    supervise: Supervise, heard: Heard, error: MidfillError
) -> None:
    """What only the user can mend fails at once, with its own words."""
    starter = Starter(error)
    supervise(starter)
    await heard.until(EngineState.FAILED)
    assert 1 == starter.starts
    last = heard.news[-1]
    assert (f"{error.subject}: {error.what}", error.remedy) == (last.what, last.remedy)


async def test_an_unforeseen_error_is_told(supervise: Supervise, heard: Heard) -> None:
    """An error outside the tree does not end the supervisor in silence."""
    supervise(Starter(ZeroDivisionError("oops"), SCRIPT))
    await heard.until(EngineState.READY)
    assert "an internal error (ZeroDivisionError)" == heard.news[1].what


async def test_a_slow_start_times_out(supervise: Supervise, heard: Heard) -> None:
    """A start that outlasts its timeout is given up and tried again."""
    slow = Script(answer_ids=(7,), start_delay_ms=3_600_000)
    policy = RestartPolicy(start_timeout_s=0.01, watch_interval_s=0.005)
    supervise(Starter(slow, SCRIPT), policy)
    await heard.until(EngineState.READY)
    assert "the engine was not ready after 0.01 s" == heard.news[1].what


async def test_close_during_a_start_cancels_it(
    supervise: Supervise, heard: Heard
) -> None:
    """Close does not wait for the engine to load, and nothing comes after CLOSED."""
    supervisor = supervise(Starter(Script(answer_ids=(7,), start_delay_ms=3_600_000)))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await supervisor.close()
    await supervisor.close()
    assert [EngineState.STARTING, EngineState.CLOSED] == heard.states


async def test_close_ends_the_engine(supervise: Supervise, heard: Heard) -> None:
    """After close the engine is closed and requests fail."""
    starter = Starter(SCRIPT)
    supervisor = supervise(starter)
    await heard.until(EngineState.READY)
    await supervisor.close()
    assert EngineState.CLOSED is (await starter.engines[0].health()).state
    assert EngineState.CLOSED is (await supervisor.health()).state
    with pytest.raises(EngineDeadError, match="closed"):
        await tokens_of(supervisor)


async def test_close_before_begin(heard: Heard) -> None:
    """A supervisor that never began can be closed, and does not begin any more."""
    starter = Starter(SCRIPT)
    supervisor = EngineSupervisor(starter, listener=heard)
    await supervisor.close()
    supervisor.begin()
    assert [EngineState.CLOSED] == heard.states
    assert 0 == starter.starts


async def test_abort_and_closing_reach_the_engine(
    supervise: Supervise, heard: Heard
) -> None:
    """What ends a stream of the supervisor ends the engine's request."""
    starter = Starter(SCRIPT)
    supervisor = supervise(starter)
    await heard.until(EngineState.READY)
    async with contextlib.aclosing(supervisor.generate(REQUEST)) as deltas:
        await anext(deltas)
        assert 1 == (await supervisor.health()).requests_in_flight
    assert ["r"] == list(starter.engines[0].aborted)
    assert 0 == (await supervisor.health()).requests_in_flight
    async with contextlib.aclosing(supervisor.generate(REQUEST)) as deltas:
        await anext(deltas)
        await supervisor.abort("r")
        rest: list[TokenDelta] = [delta async for delta in deltas]
    assert 1 == len(rest)
    assert ["r", "r"] == list(starter.engines[0].aborted)


def test_the_policy_comes_from_the_settings() -> None:
    """The settings of the user are taken over; a scripted engine gets no canary."""
    config = EngineConfig(start_timeout_s=9, max_restarts=3, canary_interval_s=7)
    policy = RestartPolicy.from_config(config)
    assert (9, 3) == (policy.start_timeout_s, policy.max_restarts)
    assert 7 == policy.canary_interval_s
    scripted = dataclasses.replace(config, kind=EngineKind.SCRIPTED)
    assert 0 == RestartPolicy.from_config(scripted).canary_interval_s
