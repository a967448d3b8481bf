"""The real engine keeps every promise of the seam, with the shipped model."""

import asyncio
import contextlib
import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from lsp_server.config import EngineConfig
from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.engine_values import EngineState
from lsp_server.errors import RequestRejectedError
from lsp_server.prompt.healing import held_at
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.values import (
    FinishReason,
    GenerationRequest,
    Priority,
    Snapshot,
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


async def nothing_left(engine: VllmEngine) -> bool:
    """Whether neither the front end nor the scheduler holds any request.

    The engine process forgets its cached prompts only if no request holds memory.
    """
    health = await engine.health()
    return health.requests_in_flight == 0 and await engine.reset_prefix_cache()


async def test_it_tells_what_it_is(vllm_engine: VllmEngine) -> None:
    """Name, version, context and the kernel that multiplies 4-bit weights."""
    info = vllm_engine.info
    assert ("vllm", 2048) == (info.name, info.max_model_len)
    assert info.version
    assert info.kernel is not None
    assert info.kernel.split(" ")[0].endswith("LinearKernel")
    health = await vllm_engine.health()
    assert (EngineState.READY, 0) == (health.state, health.requests_in_flight)


async def test_greedy_generation_is_deterministic(vllm_engine: VllmEngine) -> None:
    """The same prompt gives the same tokens, and as many as were asked for."""
    first = await tokens_of(vllm_engine, request(max_tokens=12))
    assert FinishReason.LENGTH is first[1]
    assert 12 == len(first[0])
    for _ in range(2):
        assert first == await tokens_of(vllm_engine, request(max_tokens=12))


async def test_every_token_comes_by_itself(vllm_engine: VllmEngine) -> None:
    """A delta holds the tokens since the one before, not all of them."""
    deltas = await deltas_of(vllm_engine, request(max_tokens=6))
    assert [1] * 6 == [len(delta.token_ids) for delta in deltas]


async def test_a_prompt_is_cached_in_whole_blocks(vllm_engine: VllmEngine) -> None:
    """The second time, every block but the one with the last token is found."""
    assert await vllm_engine.reset_prefix_cache()
    prompt = range(1000, 1000 + 6 * BLOCK_TOKENS)
    cached = [
        (await deltas_of(vllm_engine, request(prompt, max_tokens=1)))[-1]
        for _ in range(2)
    ]
    assert [0, 5 * BLOCK_TOKENS] == [delta.num_cached_tokens for delta in cached]
    assert cached[0].token_ids == cached[1].token_ids


async def test_a_stop_token_ends_and_is_not_output(vllm_engine: VllmEngine) -> None:
    """The output is what came before the stop token, and the reason says so."""
    tokens, _ = await tokens_of(vllm_engine, request(max_tokens=12))
    stop = next(t for at, t in enumerate(tokens) if at and t not in tokens[:at])
    expected = tokens[: tokens.index(stop)]
    stopped = await tokens_of(vllm_engine, request(max_tokens=12, stop=(stop,)))
    assert (expected, FinishReason.STOP) == stopped


@pytest.mark.parametrize("candidate", [0, 1])
async def test_a_held_generation_spells_what_was_typed(
    vllm_engine: VllmEngine, shipped_model: Path, candidate: int
) -> None:
    """Greedy or drawn, alone or beside others, the output begins with the held text."""
    tokenizer = FastTokenizer(shipped_model)
    prompt = (0, 1, 3, 2, *tokenizer.encode("def add(first, second):\n    return"))

    async def free() -> tuple[list[int], FinishReason | None]:
        return await tokens_of(vllm_engine, request(prompt, max_tokens=6))

    async def begins_with(typed: str) -> None:
        text = f"def add(first, second):\n    return{typed}"
        hold = held_at(
            Snapshot(
                uri="file:///a.py",
                language_id="python",
                version=1,
                text=text,
                offset=len(text),
            ),
            tokenizer,
            is_marked=False,
        )
        assert hold is not None
        assert typed == hold.text
        held = dataclasses.replace(
            request(prompt, max_tokens=12),
            hold=hold,
            candidate=candidate,
            temperature=1.0 * candidate,
        )
        tokens, _ = await tokens_of(vllm_engine, held)
        assert tokenizer.decode(tokens).startswith(typed)

    expected = await free()
    async with asyncio.TaskGroup() as group:
        others = [group.create_task(free()) for _ in range(2)]
        for typed in (" f", " fi", " sec", " zq", " ", " läng", " 変数"):
            group.create_task(begins_with(typed))
    # What is free beside held ones stays free, bar the rounding of a larger batch.
    assert all(len(each.result()[0]) == len(expected[0]) for each in others)
    assert await nothing_left(vllm_engine)


async def test_candidates_differ_and_come_again(vllm_engine: VllmEngine) -> None:
    """Drawn answers to a prompt are not all the same, and each is the same again."""

    async def drawn(candidate: int) -> list[int]:
        wanted = dataclasses.replace(
            request(max_tokens=12), candidate=candidate, temperature=1.0, top_p=0.95
        )
        return (await tokens_of(vllm_engine, wanted))[0]

    answers = [await drawn(number) for number in range(1, 5)]
    assert 1 < len({tuple(each) for each in answers})
    assert answers[0] == await drawn(1)


async def test_only_requests_of_one_salt_share_the_cache(
    vllm_engine: VllmEngine,
) -> None:
    """Nobody can time whether another has asked for the same; the text is the same."""
    assert await vllm_engine.reset_prefix_cache()
    prompt = range(2000, 2000 + 3 * BLOCK_TOKENS)
    answers = [
        (await deltas_of(vllm_engine, dataclasses.replace(each, cache_salt=salt)))[-1]
        for salt in ("", "one", "other", "one", "")
        for each in [request(prompt, max_tokens=1)]
    ]
    hit = 2 * BLOCK_TOKENS
    assert [0, 0, 0, hit, hit] == [each.num_cached_tokens for each in answers]
    assert 1 == len({each.token_ids for each in answers})


async def test_the_urgent_goes_before_what_came_earlier(
    vllm_engine: VllmEngine,
) -> None:
    """When as many run as may, an explicit request gets the next place."""
    began: list[str] = []

    async def run(wanted: GenerationRequest) -> None:
        async with contextlib.aclosing(vllm_engine.generate(wanted)) as deltas:
            async for _ in deltas:
                if wanted.request_id not in began:
                    began.append(wanted.request_id)

    seats = EngineConfig().max_num_seqs
    running = [request(max_tokens=60 + 4 * seat) for seat in range(seats)]
    waiting = [
        dataclasses.replace(request(max_tokens=2), priority=priority)
        for priority in (Priority.PREWARM, Priority.SPECULATIVE, Priority.EXPLICIT)
    ]
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for each in running:
            group.create_task(run(each))
        while len(began) < seats:  # noqa: ASYNC110 - a list has no event
            await asyncio.sleep(0.01)
        for each in waiting:
            group.create_task(run(each))
    assert [each.request_id for each in reversed(waiting)] == began[seats:]


async def test_an_id_in_flight_is_refused(vllm_engine: VllmEngine) -> None:
    """vLLM would abort both; so the second one fails, and the first one goes on."""
    wanted = request(max_tokens=8)
    first = asyncio.create_task(tokens_of(vllm_engine, wanted))
    await asyncio.sleep(0)
    with pytest.raises(RequestRejectedError, match="in flight"):
        await tokens_of(vllm_engine, wanted)
    assert 8 == len((await first)[0])


@pytest.mark.parametrize(
    "wanted",
    [
        request(prompt=()),
        request(prompt=range(2049)),
        request(prompt=range(2048), max_tokens=1),
        request(prompt=(1, 16384)),
        request(prompt=(1, -1)),
        dataclasses.replace(request(), max_tokens=0),
        dataclasses.replace(request(), temperature=-1.0),
    ],
    ids=[
        "an empty prompt",
        "a prompt beyond the context",
        "no room for a token",
        "a token beyond the vocabulary",
        "a negative token",
        "nothing to generate",
        "a negative temperature",
    ],
)
async def test_an_impossible_request_is_rejected(
    vllm_engine: VllmEngine, wanted: GenerationRequest
) -> None:
    """It fails alone: the engine holds nothing of it, and answers the next."""
    with pytest.raises(RequestRejectedError) as raised:
        await deltas_of(vllm_engine, wanted)
    assert raised.value.remedy
    assert await nothing_left(vllm_engine)
    assert 2 == len((await tokens_of(vllm_engine, request(max_tokens=2)))[0])
