"""The queue before the real vLLM with the shipped model."""

import asyncio
from contextlib import aclosing

import pytest
from news_listener import Listener

from lsp_server.config import AdmissionConfig, Config
from lsp_server.engine_values import EngineState
from lsp_server.errors import OverloadedError
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import starter_of
from lsp_server.values import FinishReason, GenerationRequest, Priority

pytestmark = [
    pytest.mark.engine,
    # vLLM and PyTorch have their own, which end its start if they are errors.
    pytest.mark.filterwarnings("default"),
]

RUNNING = 2


async def test_the_real_engine_is_given_no_more_than_it_shall_have() -> None:
    """Two at a time, the urgent before the others, all freed by a cancellation."""
    admission = AdmissionConfig(running_limit=RUNNING, max_wait_ms=0)
    pool = EnginePool(starter_of, max_engines=1, admission=admission)
    try:
        host = pool.acquire(Config()).host
        listener = Listener()
        host.attach(listener)
        news = await listener.until(
            EngineState.READY, EngineState.FAILED, timeout_s=500
        )
        assert EngineState.READY is news.state, news.what
        ended: list[str] = []
        begun = asyncio.Event()
        most = 0

        async def ask(name: str, user: str, priority: Priority, tokens: int) -> None:
            nonlocal most
            request = GenerationRequest(
                request_id=name,
                token_ids=tuple(range(5, 40)),
                max_tokens=tokens,
                user=user,
                priority=priority,
            )
            async with aclosing(host.engine.generate(request)) as deltas:
                async for delta in deltas:
                    begun.set()
                    health = await host.engine.health()
                    most = max(most, health.requests_in_flight)
                    if delta.finish_reason is FinishReason.LENGTH:
                        ended.append(name)

        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(ask(f"a{number}", "a", Priority.AUTOMATIC, 8))
            group.create_task(ask("b", "b", Priority.AUTOMATIC, 8))
            group.create_task(ask("c", "c", Priority.EXPLICIT, 8))
        assert (RUNNING, 8) == (most, len(ended))
        assert {"c", "b"} == set(ended[2:4])

        begun.clear()
        tasks = [
            asyncio.create_task(ask(f"long{number}", "a", Priority.AUTOMATIC, 900))
            for number in range(6)
        ]
        await begun.wait()
        assert 4 == host.engine.waiting
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert (0, 0) == (host.engine.running, host.engine.waiting)
        assert 0 == (await host.engine.health()).requests_in_flight

        begun.clear()
        last = asyncio.create_task(ask("last", "a", Priority.AUTOMATIC, 900))
        await begun.wait()
        assert 1 == await host.drain(0.2)
        await last
        assert "last" not in ended
        with pytest.raises(OverloadedError):
            await ask("late", "a", Priority.EXPLICIT, 8)
    finally:
        await pool.close()
