"""Whatever ends a generation or the real engine leaves nothing of it."""

import asyncio
import contextlib
import itertools
from collections.abc import Sequence

import psutil
import pytest

from lsp_server.engine.launch import child_processes
from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.engine_values import EngineState
from lsp_server.errors import EngineDeadError
from lsp_server.values import (
    FinishReason,
    GenerationRequest,
    TokenDelta,
)

pytestmark = [
    pytest.mark.engine,
    pytest.mark.asyncio(loop_scope="module"),
    # The first test imports vLLM, which warns of PyTorch's plans.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


#: The engine's block on a CPU, in tokens: the prefix cache finds whole ones only.
BLOCK_TOKENS = 32


_numbers = itertools.count()


def request(
    prompt: Sequence[int] = range(10, 100),
    max_tokens: int = 12,
    stop: tuple[int, ...] = (),
) -> GenerationRequest:
    """A greedy request with an id of its own."""
    return GenerationRequest(
        request_id=f"test-{next(_numbers)}",
        token_ids=tuple(prompt),
        max_tokens=max_tokens,
        stop_token_ids=stop,
    )


async def deltas_of(engine: VllmEngine, wanted: GenerationRequest) -> list[TokenDelta]:
    """All that the engine says to a request."""
    async with asyncio.timeout(60):
        async with contextlib.aclosing(engine.generate(wanted)) as deltas:
            return [delta async for delta in deltas]


async def tokens_of(
    engine: VllmEngine, wanted: GenerationRequest
) -> tuple[list[int], FinishReason | None]:
    """The generated tokens, and why they end."""
    deltas = await deltas_of(engine, wanted)
    tokens = [token for delta in deltas for token in delta.token_ids]
    assert [None] * (len(deltas) - 1) == [d.finish_reason for d in deltas[:-1]]
    return tokens, deltas[-1].finish_reason


async def start_and_leave(
    engine: VllmEngine, wanted: GenerationRequest, after_deltas: int
) -> int:
    """Close a generation after so many deltas; tell how many came."""
    seen = 0
    async with contextlib.aclosing(engine.generate(wanted)) as deltas:
        async for _ in deltas:
            seen += 1
            if seen >= after_deltas:
                break
    return seen


async def nothing_left(engine: VllmEngine) -> bool:
    """Whether neither the front end nor the scheduler holds any request.

    The engine process forgets its cached prompts only if no request holds memory.
    """
    health = await engine.health()
    return health.requests_in_flight == 0 and await engine.reset_prefix_cache()


def resident_bytes() -> int:
    """Memory of this process and of the engine's."""
    processes = [psutil.Process(), *child_processes()]
    return sum(process.memory_info().rss for process in processes)


async def test_closing_a_generation_frees_it(vllm_engine: VllmEngine) -> None:
    """A generation that is left ends in the scheduler as well."""
    assert 1 == await start_and_leave(vllm_engine, request(max_tokens=1000), 1)
    assert await nothing_left(vllm_engine)


async def test_a_cancelled_task_frees_its_generation(vllm_engine: VllmEngine) -> None:
    """A cancellation during the wait for a token ends the request in the engine."""
    wanted = request(range(2000, 3000), max_tokens=1000)
    task = asyncio.create_task(deltas_of(vllm_engine, wanted))
    async with asyncio.timeout(60):
        while not (await vllm_engine.health()).requests_in_flight:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await nothing_left(vllm_engine)


async def test_abort_ends_a_generation(vllm_engine: VllmEngine) -> None:
    """An abort from elsewhere ends the stream; others and unknown ids are safe."""
    wanted, other = request(max_tokens=1000), request(max_tokens=8)
    reason: FinishReason | None = None
    undisturbed = asyncio.create_task(tokens_of(vllm_engine, other))
    async with asyncio.timeout(60):
        async with contextlib.aclosing(vllm_engine.generate(wanted)) as deltas:
            async for delta in deltas:
                reason = delta.finish_reason
                await vllm_engine.abort(wanted.request_id)
    await vllm_engine.abort(wanted.request_id)
    await vllm_engine.abort("never-heard-of")
    assert FinishReason.ABORT is reason
    assert 8 == len((await undisturbed)[0])
    assert await nothing_left(vllm_engine)


async def test_a_thousand_cancelled_requests_leave_nothing(
    vllm_engine: VllmEngine,
) -> None:
    """1,000 pairs of request and cancellation: no request and no memory is kept.

    Sixteen at a time, left at once or after one to three deltas. The engine's small
    cache is in use completely after the first 300, so growth after them is a leak.
    """

    async def pair(number: int) -> None:
        prompt = range(number % 50, number % 50 + 40)
        wanted = request(prompt, max_tokens=200)
        if number % 4:
            await start_and_leave(vllm_engine, wanted, number % 4)
            return
        task = asyncio.create_task(deltas_of(vllm_engine, wanted))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def pairs(numbers: range) -> None:
        queue = iter(numbers)

        async def worker() -> None:
            for number in queue:
                await pair(number)

        async with asyncio.TaskGroup() as group:
            for _ in range(16):
                group.create_task(worker())

    expected = await tokens_of(vllm_engine, request())
    await pairs(range(300))
    before_bytes = resident_bytes()
    await pairs(range(300, 1000))
    grown_bytes = resident_bytes() - before_bytes
    assert await nothing_left(vllm_engine)
    assert expected == await tokens_of(vllm_engine, request())
    assert grown_bytes < 24 << 20


async def test_a_killed_engine_process_is_reported(vllm_engine: VllmEngine) -> None:
    """Killed in mid-generation: the stream raises, and so does every later one.

    Stands last in this module: it leaves no engine to test with.
    """
    core = next(p for p in child_processes() if "EngineCore" in p.name())

    async def generate_and_kill() -> None:
        wanted = request(max_tokens=1000)
        async with contextlib.aclosing(vllm_engine.generate(wanted)) as deltas:
            async for _ in deltas:
                core.kill()

    with pytest.raises(EngineDeadError):
        async with asyncio.timeout(60):
            await generate_and_kill()
    assert EngineState.FAILED is (await vllm_engine.health()).state
    with pytest.raises(EngineDeadError):
        await deltas_of(vllm_engine, request())
    with pytest.raises(EngineDeadError):
        await vllm_engine.reset_prefix_cache()
    await vllm_engine.abort("never-heard-of")
    await vllm_engine.close()
    await vllm_engine.close()
    assert EngineState.CLOSED is (await vllm_engine.health()).state
    assert [] == child_processes()
