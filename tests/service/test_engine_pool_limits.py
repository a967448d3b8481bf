"""Which connections get an engine where there are only so many."""

from dataclasses import replace
from typing import Any

import pytest
from counted_engines import (
    CONFIG,
    SCRIPTED,
    CountedNews,
    CountedStarts,
    answer,
    connected,
)
from news_listener import Listener

from lsp_server.config import (
    SHIPPED_MODEL,
    Config,
    Device,
    ModelConfig,
    ModelsConfig,
    ScriptConfig,
)
from lsp_server.engine_values import EngineState
from lsp_server.errors import EngineDeadError
from lsp_server.modelstore.locate import shipped_models
from lsp_server.modelstore.verify import hash_file
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import starter_of
from lsp_server.service.local_backend import LocalBackend

OTHER = replace(CONFIG, scripted=ScriptConfig(text="2\n"))


MISSING = replace(CONFIG, model=ModelConfig(path="no-such-model"))


async def test_other_settings_are_refused_while_somebody_uses_the_engine(
    pool: EnginePool, starts: CountedStarts
) -> None:
    """One sentence names setting, value and way out; the connection works on."""
    used, _ = await connected(pool.acquire(CONFIG), CONFIG)
    lease = pool.acquire(OTHER)
    assert used.host is lease.host
    for part in ('scripted.text is "1\\n", not "2\\n"', "daemon.max_engines"):
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
    for part in ("'no-such-model'", SHIPPED_MODEL, "`midfill models pull`"):
        assert part in lease.refused
    guest, _ = await connected(lease, MISSING)
    assert ("1", 1) == (await answer(guest), starts.started)
    await pool.close()


@pytest.mark.parametrize(
    "demand",
    [
        {"model": ModelConfig(sha256="0" * 64)},
        {"model": ModelConfig(path="no-such-model", sha256="0" * 64)},
        {"models": ModelsConfig(require_signature=True)},
    ],
)
async def test_no_other_model_answers_than_the_one_that_is_demanded(
    pool: EnginePool, starts: CountedStarts, demand: dict[str, Any]
) -> None:
    """A pin or a signature holds also where others use the engine, who keep it."""
    used, _ = await connected(pool.acquire(CONFIG), CONFIG)
    strict = replace(CONFIG, **demand)
    lease, listener = pool.acquire(strict), Listener()
    backend = LocalBackend(strict, lease)
    await backend.start(listener)
    failed = await listener.until(EngineState.FAILED)
    expected = "no-such-model" if "no-such" in strict.model.path else "max_engines"
    assert expected in f"{failed.what} {failed.remedy}"
    assert ("", "1") == (await answer(backend), await answer(used))
    await backend.close()
    assert ((used.host,), 1) == (pool.hosts, starts.started)


async def test_a_pin_that_the_running_model_meets_shares_it(pool: EnginePool) -> None:
    """Also one in capitals, and while that model is still to be read."""
    pin = hash_file(shipped_models()[SHIPPED_MODEL] / "manifest.json")
    lease = pool.acquire(CONFIG)
    pinned = replace(CONFIG, model=ModelConfig(sha256=pin))
    early = pool.acquire(pinned)
    await connected(lease, CONFIG)
    late = pool.acquire(replace(CONFIG, model=ModelConfig(sha256=pin.upper())))
    assert {lease.host} == {early.host, late.host}
    assert {""} == {early.refused, late.refused}


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
                model=ModelConfig(path=str(shipped_models()[SHIPPED_MODEL])),
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
