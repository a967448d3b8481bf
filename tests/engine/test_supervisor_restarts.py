"""When the supervisor tries again, with which pauses, and when it gives up."""

import contextlib
import dataclasses

import pytest
from supervised_engine import (
    FAST,
    REQUEST,
    SCRIPT,
    News,
    Starter,
    Supervise,
    start_error,
    tokens_of,
)

from lsp_server.config import EngineConfig, EngineKind
from lsp_server.engine.hang_watch import RestartPolicy
from lsp_server.engine.scripted import Script
from lsp_server.engine.supervisor import EngineSupervisor
from lsp_server.engine_values import EngineState
from lsp_server.errors import (
    ConfigError,
    EngineDeadError,
    EngineStartError,
    MidfillError,
    ModelIntegrityError,
)


async def test_it_gives_up_with_growing_pauses(
    supervise: Supervise, news: News, pauses: list[float]
) -> None:
    """After max_restarts in a row it says FAILED, with the reason, and stops."""
    starter = Starter(start_error())
    policy = RestartPolicy(max_restarts=4, first_delay_s=1.0, longest_delay_s=3.0)
    supervisor = supervise(starter, policy)
    await news.until(EngineState.FAILED)
    assert 5 == starter.starts
    assert [1.0, 2.0, 3.0, 3.0] == pauses
    last = news.items[-1]
    assert ("m: no memory, after 4 restarts", "wait") == (last.what, last.remedy)
    health = await supervisor.health()
    assert (EngineState.FAILED, last.what) == (health.state, health.detail)


async def test_a_finished_generation_resets_the_count(
    supervise: Supervise, news: News, pauses: list[float]
) -> None:
    """An engine that works between its deaths is never given up."""
    starter = Starter(Script(answer_ids=(7, 8), die_after_requests=2))
    supervisor = supervise(starter, RestartPolicy(max_restarts=1, first_delay_s=1.0))
    for life in range(1, 5):
        await news.until(EngineState.READY, times=life)
        assert [7, 8] == await tokens_of(supervisor)
        with pytest.raises(EngineDeadError):
            await tokens_of(supervisor)
    assert EngineState.FAILED not in news.states
    assert {1.0} == set(pauses)


async def test_a_generation_that_we_end_resets_the_count(
    supervise: Supervise, news: News, pauses: list[float]
) -> None:
    """Most completions end by our own stop rule; a token is a sign of life."""
    starter = Starter(Script(answer_ids=(7, 8), die_after_requests=2))
    supervisor = supervise(starter, RestartPolicy(max_restarts=1, first_delay_s=1.0))
    for life in range(1, 5):
        await news.until(EngineState.READY, times=life)
        async with contextlib.aclosing(supervisor.generate(REQUEST)) as deltas:
            await anext(deltas)
        with pytest.raises(EngineDeadError):
            await tokens_of(supervisor)
    assert EngineState.FAILED not in news.states
    assert {1.0} == set(pauses)


async def test_what_was_there_before_may_come_back(
    supervise: Supervise, news: News, pauses: list[float]
) -> None:
    """A restart that lacks memory is tried again: a killed engine frees it late."""
    lacking = EngineStartError("no memory", subject="m", remedy="free", lasting=True)
    starter = Starter(Script(answer_ids=(7, 8), die_after_requests=1), lacking, SCRIPT)
    supervisor = supervise(starter, FAST)
    await news.until(EngineState.READY)
    with pytest.raises(EngineDeadError):
        await tokens_of(supervisor)
    await news.until(EngineState.READY, times=2)
    assert 2 == len(pauses)


async def test_an_engine_that_was_given_up_starts_again_if_asked(
    supervise: Supervise, news: News
) -> None:
    """The user has mended what was wrong; there is no pause before the start."""
    broken = ModelIntegrityError("a shard is cut off", subject="m", remedy="copy it")
    supervisor = supervise(Starter(broken, SCRIPT))
    await news.until(EngineState.FAILED)
    supervisor.restart()
    await news.until(EngineState.READY)
    assert [7, 8] == await tokens_of(supervisor)


async def test_a_restart_does_not_wait_for_the_pause(news: News) -> None:
    """Asked for between two attempts, the next one comes at once."""
    starter = Starter(start_error(), SCRIPT)
    policy = RestartPolicy(first_delay_s=3600.0, longest_delay_s=3600.0)
    supervisor = EngineSupervisor(starter, listener=news, policy=policy)
    supervisor.begin()
    await news.until(EngineState.RESTARTING)
    supervisor.restart()
    await news.until(EngineState.READY)
    await supervisor.close()


async def test_a_working_engine_is_started_again_if_asked(
    supervise: Supervise, news: News
) -> None:
    """The news says that it was wanted, and does not count against the engine."""
    starter = Starter(SCRIPT)
    supervisor = supervise(starter)
    for life in range(1, 6):
        await news.until(EngineState.READY, times=life)
        supervisor.restart()
    await news.until(EngineState.READY, times=6)
    reported = {n.what for n in news.items if n.state is EngineState.RESTARTING}
    assert {"a restart was asked for"} == reported
    assert 5 == news.items[-1].restarts


async def test_canaries_do_not_hide_a_crash_loop(
    supervise: Supervise, news: News
) -> None:
    """An engine that dies of every request is given up, though it answers canaries."""
    starter = Starter(Script(answer_ids=(7, 8), die_after_requests=3))
    policy = dataclasses.replace(FAST, canary_interval_s=0.001)
    supervise(starter, policy)
    await news.until(EngineState.FAILED)
    assert 3 == starter.starts


async def test_a_crash_loop_ends(supervise: Supervise, news: News) -> None:
    """An engine that starts but never finishes a generation is given up."""
    starter = Starter(Script(answer_ids=(7, 8), die_after_requests=1))
    supervisor = supervise(starter)
    for life in range(1, 4):
        await news.until(EngineState.READY, times=life)
        with pytest.raises(EngineDeadError):
            await tokens_of(supervisor)
    await news.until(EngineState.FAILED)
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
    supervise: Supervise, news: News, error: MidfillError
) -> None:
    """What only the user can mend fails at once, with its own words."""
    starter = Starter(error)
    supervise(starter)
    await news.until(EngineState.FAILED)
    assert 1 == starter.starts
    last = news.items[-1]
    assert (f"{error.subject}: {error.what}", error.remedy) == (last.what, last.remedy)


def test_the_policy_comes_from_the_settings() -> None:
    """The settings of the user are taken over; a scripted engine gets no canary."""
    config = EngineConfig(start_timeout_s=9, max_restarts=3, canary_interval_s=7)
    policy = RestartPolicy.from_config(config)
    assert (9, 3) == (policy.start_timeout_s, policy.max_restarts)
    assert 7 == policy.canary_interval_s
    scripted = dataclasses.replace(config, kind=EngineKind.SCRIPTED)
    assert 0 == RestartPolicy.from_config(scripted).canary_interval_s
