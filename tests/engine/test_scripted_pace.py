"""A scripted engine with a speed takes longer with more requests, as vLLM does."""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import Awaitable, Sequence

import pytest

from lsp_server.engine.engine_speed import EngineSpeed
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.values import GenerationRequest, TokenDelta


def request(name: str, prompt: Sequence[int], max_tokens: int) -> GenerationRequest:
    """A request with the parts that matter here."""
    return GenerationRequest(
        request_id=name, token_ids=tuple(prompt), max_tokens=max_tokens
    )


class VirtualTime:
    """A clock that jumps from one sleeper to the next."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    async def sleep(self, seconds: float) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wake_s = self.now_s + seconds
        heapq.heappush(self._sleepers, (wake_s, next(self._numbers), done))
        await done

    async def run(self, work: Awaitable[None]) -> None:
        """Let time pass until some work is done."""
        task = asyncio.ensure_future(work)
        while not task.done():
            # Whoever can go on without time passing does so first.
            for _ in range(20):
                await asyncio.sleep(0)
            if self._sleepers and not task.done():
                self.now_s, _, wake = heapq.heappop(self._sleepers)
                wake.set_result(None)
        await task


SPEED = EngineSpeed(
    step_ms=10.0,
    prefill_step_ms=5.0,
    decode_ms=1.0,
    prompt_token_ms=0.5,
    begin_ms=2.0,
    submit_ms=3.0,
    arrive_ms=4.0,
    step_tokens=64,
    kept_tokens=320,
)


async def times_ms(
    engine: ScriptedEngine, time: VirtualTime, requests: Sequence[GenerationRequest]
) -> dict[str, list[float]]:
    """When each of these requests, made at once, had its tokens."""
    start_s = time.now_s
    found: dict[str, list[float]] = {}

    async def ask(each: GenerationRequest) -> None:
        async with contextlib.aclosing(engine.generate(each)) as deltas:
            async for delta in deltas:
                if delta.token_ids:
                    now_ms = (time.now_s - start_s) * 1e3
                    found.setdefault(each.request_id, []).append(round(now_ms, 3))

    async def ask_all() -> None:
        async with asyncio.TaskGroup() as group:
            for each in requests:
                group.create_task(ask(each))

    await time.run(ask_all())
    return found


async def test_steps_take_longer_with_more_requests() -> None:
    """A step decodes for all, reads what it has room for, and takes the sum of that."""
    time = VirtualTime()
    script = Script(answer_ids=(7, 8, 9), speed=SPEED)
    engine = ScriptedEngine(script, sleep=time.sleep)
    alone = await times_ms(engine, time, [request("a", tuple(range(20)), 3)])
    # Handed over at 7; the prompt takes 10 + 5 + 20 * 0.5 + 2; then 11 for each token.
    assert {"a": [34.0, 45.0, 56.0]} == alone
    both = [request("b", range(99, 159), 3), request("c", range(999, 1079), 3)]
    # c comes into the second step, which has room for 63 of its 80 tokens.
    assert {
        "b": [54.0, 103.5, 128.0],
        "c": [128.0, 139.0, 150.0],
    } == await times_ms(engine, time, both)


async def test_a_prompt_that_was_read_is_kept() -> None:
    """Whole blocks are read once, until others take their place."""
    time = VirtualTime()
    script = Script(answer_ids=(7,), speed=SPEED)
    engine = ScriptedEngine(script, sleep=time.sleep)

    async def cached(prompt: Sequence[int]) -> int:
        deltas: list[TokenDelta] = []

        async def ask() -> None:
            async with contextlib.aclosing(
                engine.generate(request("r", prompt, 1))
            ) as all_of_it:
                deltas.extend([delta async for delta in all_of_it])

        await time.run(ask())
        return deltas[0].num_cached_tokens

    first = range(100)
    assert [0, 96, 32] == [
        await cached(first),
        await cached(first),
        await cached((*first[:40], *range(500, 560))),
    ]
    for other in range(1000, 4000, 1000):
        await cached(range(other, other + 100))
    # The longest beginnings were the first to go.
    assert 32 == await cached(first)


async def test_who_leaves_a_step_slows_nobody_afterwards() -> None:
    """An abandoned request is out of the batch with the next step."""
    time = VirtualTime()
    script = Script(answer_ids=tuple(range(50)), speed=SPEED)
    engine = ScriptedEngine(script, sleep=time.sleep)

    async def glance() -> None:
        async with contextlib.aclosing(
            engine.generate(request("x", (1,) * 8, 50))
        ) as tokens:
            await anext(tokens)

    await time.run(glance())
    alone = await times_ms(engine, time, [request("a", (2,) * 8, 4)])
    ended = alone["a"]
    assert [11.0] * 3 == [round(b - a, 3) for a, b in itertools.pairwise(ended)]


def test_a_slice_is_as_fast_as_the_whole_with_so_many_more() -> None:
    """One request of a slice stands for as many as there are slices."""
    part = SPEED.slice(4)
    for decoding, prompt_tokens, begun in ((0, 10, 1), (3, 0, 0), (5, 7, 2)):
        whole_ms = SPEED.step_takes_ms(
            decoding=4 * decoding, prompt_tokens=4 * prompt_tokens, begun=4 * begun
        )
        assert whole_ms == pytest.approx(
            part.step_takes_ms(
                decoding=decoding, prompt_tokens=prompt_tokens, begun=begun
            )
        )
