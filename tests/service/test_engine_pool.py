"""Connections share the hosts of a pool, each with its own settings and news."""

from dataclasses import replace

import pytest
from counted_engines import CONFIG, CountedStarts, answer, connected
from news_listener import Listener

from lsp_server.config import (
    SHIPPED_MODEL,
    AdmissionConfig,
    CompletionConfig,
    ModelConfig,
    ScriptConfig,
)
from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.errors import EngineDeadError
from lsp_server.outcomes import OverloadStep
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import starter_of
from lsp_server.service.local_backend import LocalBackend

OTHER = replace(CONFIG, scripted=ScriptConfig(text="2\n"))
MISSING = replace(CONFIG, model=ModelConfig(path="no-such-model"))


class BrokenListener:
    """The listener of a connection that has ended badly."""

    def engine_changed(self, news: EngineNews) -> None:
        raise OSError(news.what)

    def overload_changed(self, step: OverloadStep) -> None:
        raise OSError(step.name)


async def test_two_connections_share_an_engine_and_keep_their_settings(
    pool: EnginePool, starts: CountedStarts
) -> None:
    """One is switched off, the other completes, on one engine."""
    off = replace(CONFIG, completion=CompletionConfig(enabled=False))
    first, _ = await connected(pool.acquire(CONFIG), CONFIG)
    second, _ = await connected(pool.acquire(off), off)
    assert first.host is second.host
    assert (True, False) == (first.enabled, second.enabled)
    assert ("1", "") == (await answer(first), await answer(second))
    first.configure(off)
    second.configure(CONFIG)
    assert ("", "1") == (await answer(first), await answer(second))
    assert 1 == starts.started


async def test_the_engine_outlives_a_connection_which_gets_no_more_news(
    pool: EnginePool,
) -> None:
    """What leaves completes nothing and is not sent what happens to the others."""
    first, left = await connected(pool.acquire(CONFIG), CONFIG)
    second, stayed = await connected(pool.acquire(CONFIG), CONFIG)
    await first.close()
    await first.close()
    before = list(left.received)
    assert ("", "1") == (await answer(first), await answer(second))
    second.host.restart()
    await stayed.until(EngineState.RESTARTING)
    await stayed.until(EngineState.READY)
    assert before == left.received


async def test_a_late_connection_gets_the_latest_news_at_once(
    pool: EnginePool,
) -> None:
    """It need not wait for a change to show that the engine is ready."""
    await connected(pool.acquire(CONFIG), CONFIG)
    late, listener = LocalBackend(CONFIG, pool.acquire(CONFIG)), Listener()
    await late.start(listener)
    (news,) = listener.received
    assert (EngineState.READY, SHIPPED_MODEL) == (news.state, news.model)


async def test_a_listener_that_fails_costs_the_others_nothing(
    pool: EnginePool,
) -> None:
    """A broken connection neither ends the engine nor hides its news."""
    lease = pool.acquire(CONFIG)
    lease.host.attach(BrokenListener())
    backend, _ = await connected(lease, CONFIG)
    assert "1" == await answer(backend)


async def test_a_ready_engine_is_not_restarted_for_one_of_many(
    pool: EnginePool, starts: CountedStarts
) -> None:
    """Two windows offer the restart of a failed engine; the second one is late."""
    backend, listener = await connected(pool.acquire(CONFIG), CONFIG)
    backend.restart()
    assert EngineState.READY is listener.received[-1].state
    assert "1" == await answer(backend)
    assert 1 == starts.started


async def test_a_second_release_does_not_count_for_another_connection(
    pool: EnginePool,
) -> None:
    """A host stays in use for as long as one connection uses it."""
    first, second = pool.acquire(CONFIG), pool.acquire(CONFIG)
    first.release()
    first.release()
    assert 1 == pool.leases_of(second.host)
    assert pool.acquire(OTHER).refused
    second.release()


async def test_a_closed_pool_leases_nothing(pool: EnginePool) -> None:
    """Its engines have ended, its connections know it, and none is started anew."""
    backend, listener = await connected(pool.acquire(CONFIG), CONFIG)
    await pool.close()
    assert EngineState.CLOSED is listener.received[-1].state
    assert "" == await answer(backend)
    assert () == pool.hosts
    with pytest.raises(EngineDeadError, match="shut down"):
        pool.acquire(CONFIG)


async def test_a_pool_is_drained_host_by_host_at_the_same_time() -> None:
    """From then on no host is ready, and none takes a request."""
    pool = EnginePool(
        starter_of, max_engines=2, admission=AdmissionConfig(queue_length=7)
    )
    try:
        leases = [pool.acquire(CONFIG), pool.acquire(OTHER)]
        backends = [
            (await connected(lease, config))[0]
            for lease, config in zip(leases, (CONFIG, OTHER), strict=True)
        ]
        assert [7, 7] == [host.config.admission.queue_length for host in pool.hosts]
        assert "1" == await answer(backends[0])
        assert 0 == await pool.drain(20)
        assert [False, False] == [host.ready for host in pool.hosts]
        assert ["", ""] == [await answer(backend) for backend in backends]
    finally:
        await pool.close()


async def test_listeners_receive_how_far_the_load_is_being_shed(
    pool: EnginePool,
) -> None:
    """Those that are there when it changes, and one that comes later."""
    lease = pool.acquire(CONFIG)
    _, listener = await connected(lease, CONFIG)
    lease.host.attach(BrokenListener())
    turns = lease.host.engine._turns
    turns.reporter.note(0.6, running=1, waiting=1)
    late = Listener()
    lease.host.attach(late)
    assert [OverloadStep.SLOW_DOWN] == listener.steps == late.steps
