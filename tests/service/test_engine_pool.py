"""Connections share the hosts of a pool, each with its own settings and news."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from news_listener import Listener

from lsp_server.config import (
    AdmissionConfig,
    CompletionConfig,
    Config,
    Device,
    EngineConfig,
    EngineKind,
    ModelConfig,
    ScriptConfig,
)
from lsp_server.engine.base import Engine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.errors import EngineDeadError
from lsp_server.metrics import NoMetrics
from lsp_server.modelstore.locate import shipped_models
from lsp_server.outcomes import OverloadStep
from lsp_server.service.engine_pool import EnginePool, Lease
from lsp_server.service.engine_start import EngineStarter, starter_of
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.service.local_backend import LocalBackend
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Snapshot, Trigger

SCRIPTED = EngineConfig(kind=EngineKind.SCRIPTED)
CONFIG = Config(engine=SCRIPTED, scripted=ScriptConfig(text="1\n"))
OTHER = replace(CONFIG, scripted=ScriptConfig(text="2\n"))
MISSING = replace(CONFIG, model=ModelConfig(path="no-such-model"))
SNAPSHOT = Snapshot(
    uri="file:///a.py", language_id="python", version=1, text="x = \n", offset=4
)


class CountedStarts:
    """Starts scripted engines, and counts how many run at the same time."""

    def __init__(self) -> None:
        self.started = self.most = 0
        self._running: set[Engine] = set()

    @property
    def running(self) -> int:
        """How many engines are not closed."""
        return len(self._running)

    def starter_of(self, kind: EngineKind) -> EngineStarter:
        start_scripted = starter_of(kind)

        async def start(
            config: Config, model: LoadedModel, progress: StartProgress
        ) -> Engine:
            engine = await start_scripted(config, model, progress)
            self.started += 1
            self._running.add(engine)
            self.most = max(self.most, self.running)
            close = engine.close

            async def counted_close() -> None:
                # The memory of a real engine is free some time after it was closed.
                await asyncio.sleep(0)
                await close()
                self._running.discard(engine)

            engine.close = counted_close  # type: ignore[method-assign]  # it is only counted
            return engine

        return start


class CountedNews(NoMetrics):
    """Keeps the states that a host reports for metrics."""

    def __init__(self) -> None:
        self.states: list[EngineState] = []

    def engine_changed(self, _model: str, state: EngineState) -> None:
        self.states.append(state)


class BrokenListener:
    """The listener of a connection that has ended badly."""

    def engine_changed(self, news: EngineNews) -> None:
        raise OSError(news.what)

    def overload_changed(self, step: OverloadStep) -> None:
        raise OSError(step.name)


@pytest.fixture
def starts() -> CountedStarts:
    """Count the engines of a pool."""
    return CountedStarts()


@pytest.fixture
async def pool(starts: CountedStarts) -> AsyncGenerator[EnginePool]:
    """Make a pool of at most one engine."""
    made = EnginePool(starts.starter_of, max_engines=1)
    yield made
    await made.close()


async def connected(lease: Lease, config: Config) -> tuple[LocalBackend, Listener]:
    """Connect a backend to the lease's host, and wait until that is ready."""
    backend, listener = LocalBackend(config, lease), Listener()
    await backend.start(listener)
    await listener.until(EngineState.READY)
    return backend, listener


async def answer(backend: LocalBackend) -> str:
    """Return what the backend completes with; empty for nothing."""
    result = await backend.complete(
        SNAPSHOT, request_id="r", trigger=Trigger.AUTOMATIC, typed=TypedAhead()
    )
    return "".join(completion.text for completion in result.completions)


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
    assert (EngineState.READY, "midfill-starter-88m") == (news.state, news.model)


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


async def test_other_settings_are_refused_while_somebody_uses_the_engine(
    pool: EnginePool, starts: CountedStarts
) -> None:
    """One sentence names setting, value and way out; the connection works on."""
    used, _ = await connected(pool.acquire(CONFIG), CONFIG)
    lease = pool.acquire(OTHER)
    assert used.host is lease.host
    for part in ("scripted.text is '1\\n', not '2\\n'", "daemon.max_engines"):
        assert part in lease.refused
    guest, _ = await connected(lease, OTHER)
    assert "1" == await answer(guest)
    assert 1 == starts.started


async def test_an_engine_that_nobody_uses_is_replaced(
    pool: EnginePool, starts: CountedStarts
) -> None:
    """The new one starts when the memory of the old one is free."""
    backend, _ = await connected(pool.acquire(CONFIG), CONFIG)
    await backend.close()
    lease = pool.acquire(OTHER)
    assert "" == lease.refused
    other, _ = await connected(lease, OTHER)
    assert "2" == await answer(other)
    assert (lease.host,) == pool.hosts
    assert (2, 1) == (starts.started, starts.most)


@pytest.mark.parametrize("max_engines", [1, 2])
async def test_a_model_that_is_not_there_costs_no_engine(
    starts: CountedStarts, max_engines: int
) -> None:
    """A typing error in one editor ends nothing, even where nobody uses the engine."""
    pool = EnginePool(starts.starter_of, max_engines=max_engines)
    backend, _ = await connected(pool.acquire(CONFIG), CONFIG)
    await backend.close()
    lease = pool.acquire(MISSING)
    assert (backend.host,) == (lease.host,) == pool.hosts
    for part in ("'no-such-model'", "midfill-starter-88m", "`midfill models pull`"):
        assert part in lease.refused
    guest, _ = await connected(lease, MISSING)
    assert ("1", 1) == (await answer(guest), starts.started)
    await pool.close()


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


async def test_a_second_engine_is_started_where_that_is_allowed(
    starts: CountedStarts,
) -> None:
    """Up to the limit every wish is met; then the nearest engine serves."""
    pool = EnginePool(starts.starter_of, max_engines=2)
    first, _ = await connected(pool.acquire(CONFIG), CONFIG)
    second, _ = await connected(pool.acquire(OTHER), OTHER)
    assert ("1", "2") == (await answer(first), await answer(second))
    near = replace(OTHER, engine=replace(SCRIPTED, seed=7))
    lease = pool.acquire(near)
    assert second.host is lease.host
    assert "engine.seed" in lease.refused
    await pool.close()
    assert 0 == starts.running


@pytest.mark.parametrize(
    ("wish", "stated"),
    [
        (OTHER, set()),
        (replace(CONFIG, engine=replace(SCRIPTED, seed=7)), {("model", "path")}),
        (replace(CONFIG, engine=replace(SCRIPTED, device=Device.CPU)), None),
        (
            replace(
                CONFIG,
                model=ModelConfig(path=str(shipped_models()["midfill-starter-88m"])),
            ),
            None,
        ),
    ],
)
async def test_what_comes_to_the_same_shares(
    pool: EnginePool, wish: Config, stated: set[tuple[str, str]] | None
) -> None:
    """A setting that nobody has made, and another name of the same, are no wish."""
    host = pool.acquire(CONFIG).host
    lease = pool.acquire(wish, stated=stated)
    assert (host, "") == (lease.host, lease.refused)


async def test_a_hopeless_start_is_tried_once_and_every_connection_gets_to_know(
    pool: EnginePool,
) -> None:
    """A missing model fails at once for all; a new connection alone tries it again."""
    metrics = CountedNews()
    pool = EnginePool(starter_of, max_engines=1, metrics=metrics)
    leases = [pool.acquire(MISSING), pool.acquire(MISSING)]
    listeners = [Listener(), Listener()]
    for lease, listener in zip(leases, listeners, strict=True):
        await LocalBackend(MISSING, lease).start(listener)
    for listener in listeners:
        assert "no-such-model" in (await listener.until(EngineState.FAILED)).what
        states = {news.state for news in listener.received}
        assert {EngineState.STARTING, EngineState.FAILED} == states
    assert [EngineState.STARTING, EngineState.FAILED] == metrics.states
    for lease in leases:
        lease.release()
    again = pool.acquire(MISSING)
    assert leases[0].host is again.host
    again.host.attach(listeners[0])
    await listeners[0].until(EngineState.RESTARTING)
    await listeners[0].until(EngineState.FAILED)
    await pool.close()


async def test_a_host_that_was_given_up_takes_no_room(
    pool: EnginePool, starts: CountedStarts
) -> None:
    """Its connection may stay; but it does not start again beside the new one."""
    stuck, listener = LocalBackend(MISSING, pool.acquire(MISSING)), Listener()
    await stuck.start(listener)
    await listener.until(EngineState.FAILED)
    backend, _ = await connected(pool.acquire(CONFIG), CONFIG)
    assert "1" == await answer(backend)
    hosts = pool.hosts
    assert (stuck.host, backend.host) == hosts
    await stuck.close()
    assert pool.acquire(OTHER).refused
    assert hosts[1:] == pool.hosts
    assert 1 == starts.started


async def test_one_that_was_given_up_is_not_started_beyond_the_limit(
    starts: CountedStarts,
) -> None:
    """What failed once and could start now waits until there is room."""
    doomed = replace(
        CONFIG,
        engine=replace(SCRIPTED, max_restarts=0),
        scripted=replace(CONFIG.scripted, die_after_requests=1),
    )
    pool = EnginePool(starts.starter_of, max_engines=1)
    backend, listener = await connected(pool.acquire(doomed), doomed)
    with pytest.raises(EngineDeadError):
        await answer(backend)
    await listener.until(EngineState.FAILED)
    await connected(pool.acquire(CONFIG), CONFIG)
    backend.restart()
    await listener.until(EngineState.RESTARTING)
    assert "daemon.max_engines" in (await listener.until(EngineState.FAILED)).remedy
    assert (2, 1) == (starts.started, starts.most)
    await pool.close()


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
