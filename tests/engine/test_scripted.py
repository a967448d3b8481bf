"""The scripted engine behaves like the real one at the seam."""

import asyncio
import contextlib
import dataclasses
import math

import pytest

from lsp_server.engine.base import Engine
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.engine_values import EngineState
from lsp_server.errors import EngineDeadError, RequestRejectedError
from lsp_server.values import FinishReason, GenerationRequest, Hold, TokenDelta


class Clock:
    """Sleeps without time passing, and remembers for how long."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await asyncio.sleep(0)


def request(
    name: str = "r",
    prompt: tuple[int, ...] = (1, 2, 3),
    max_tokens: int = 8,
    stop: tuple[int, ...] = (),
) -> GenerationRequest:
    """A request with the parts that a test cares for."""
    return GenerationRequest(
        request_id=name, token_ids=prompt, max_tokens=max_tokens, stop_token_ids=stop
    )


async def deltas_of(engine: Engine, wanted: GenerationRequest) -> list[TokenDelta]:
    """All that an engine says to a request."""
    async with contextlib.aclosing(engine.generate(wanted)) as deltas:
        return [delta async for delta in deltas]


@pytest.mark.parametrize(
    ("max_tokens", "stop", "tokens", "reason"),
    [
        (8, (), [7, 8, 9], FinishReason.STOP),
        (3, (), [7, 8, 9], FinishReason.LENGTH),
        (2, (), [7, 8], FinishReason.LENGTH),
        (8, (9,), [7, 8], FinishReason.STOP),
        (8, (7,), [], FinishReason.STOP),
        (2, (9,), [7, 8], FinishReason.LENGTH),
        (8, (5,), [7, 8, 9], FinishReason.STOP),
    ],
)
async def test_an_answer_ends_where_the_request_says(
    max_tokens: int, stop: tuple[int, ...], tokens: list[int], reason: FinishReason
) -> None:
    """Tokens come one per delta; the output cap and the stop tokens end them."""
    engine = ScriptedEngine(Script(answer_ids=(7, 8, 9)))
    deltas = await deltas_of(engine, request(max_tokens=max_tokens, stop=stop))
    assert tokens == [token for delta in deltas for token in delta.token_ids]
    assert all(len(delta.token_ids) <= 1 for delta in deltas)
    assert [None] * (len(deltas) - 1) == [d.finish_reason for d in deltas[:-1]]
    assert reason is deltas[-1].finish_reason
    assert () == engine.aborted


async def test_the_clock_is_the_callers() -> None:
    """Every pause, that of the start too, goes through the given sleep."""
    clock = Clock()
    script = Script(answer_ids=(7, 8), token_delay_ms=20, start_delay_ms=3000)
    engine = await ScriptedEngine.start(script, sleep=clock.sleep)
    await deltas_of(engine, request())
    assert [3.0, 0.02, 0.02] == clock.slept_s


@pytest.mark.parametrize(
    ("first", "second", "cached"),
    [
        ((1, 2, 3), (1, 2, 4), 2),
        ((1, 2, 3), (1, 2, 3, 4), 3),
        ((1, 2, 3), (1, 2), 2),
        ((1, 2, 3), (9, 2, 3), 0),
    ],
)
async def test_cached_tokens_are_the_common_prefix(
    first: tuple[int, ...], second: tuple[int, ...], cached: int
) -> None:
    """A prompt finds as much in the cache as it shares with the one before."""
    engine = ScriptedEngine(Script(answer_ids=(7,)))
    before = await deltas_of(engine, request(prompt=first))
    after = await deltas_of(engine, request(prompt=second))
    assert {0} == {delta.num_cached_tokens for delta in before}
    assert {cached} == {delta.num_cached_tokens for delta in after}


async def test_a_closed_stream_aborts() -> None:
    """Closing the stream ends the request and is recorded as an abort."""
    engine = ScriptedEngine(Script(answer_ids=(7, 8, 9)))
    async with contextlib.aclosing(engine.generate(request("left"))) as deltas:
        assert (7,) == (await anext(deltas)).token_ids
        assert 1 == (await engine.health()).requests_in_flight
    assert 0 == (await engine.health()).requests_in_flight
    assert ("left",) == engine.aborted


async def test_abort_ends_the_stream() -> None:
    """An aborted request gets a last, empty delta that says so."""
    engine = ScriptedEngine(Script(answer_ids=(7, 8, 9)))
    async with contextlib.aclosing(engine.generate(request("gone"))) as deltas:
        await anext(deltas)
        await engine.abort("gone")
        last = [delta async for delta in deltas]
    assert [FinishReason.ABORT] == [delta.finish_reason for delta in last]
    assert ("gone",) == engine.aborted


async def test_aborting_nothing_is_harmless() -> None:
    """An unknown and an ended request are left in peace."""
    engine = ScriptedEngine(Script(answer_ids=(7,)))
    await deltas_of(engine, request("done"))
    await engine.abort("done")
    await engine.abort("never")
    assert () == engine.aborted


async def test_it_dies_in_the_middle_of_the_given_request() -> None:
    """Request N gets some tokens and then the engine's death; later ones fail."""
    engine = ScriptedEngine(Script(answer_ids=(7, 8, 9, 10), die_after_requests=2))
    await deltas_of(engine, request("one"))
    async with contextlib.aclosing(engine.generate(request("two"))) as deltas:
        assert (7,) == (await anext(deltas)).token_ids
        assert (8,) == (await anext(deltas)).token_ids
        with pytest.raises(EngineDeadError):
            await anext(deltas)
    assert EngineState.FAILED is (await engine.health()).state
    with pytest.raises(EngineDeadError):
        await deltas_of(engine, request("three"))
    assert ["one", "two"] == [seen.request_id for seen in engine.requests]


async def test_too_long_is_rejected() -> None:
    """A prompt that does not fit is refused, and the engine lives on."""
    engine = ScriptedEngine(Script(answer_ids=(7,), max_model_len=10))
    with pytest.raises(RequestRejectedError):
        await deltas_of(engine, request(max_tokens=8))
    assert 1 == len(await deltas_of(engine, request(max_tokens=1)))
    assert 10 == engine.info.max_model_len


async def test_a_closed_engine_is_dead() -> None:
    """After close, which may come twice, requests fail."""
    engine = ScriptedEngine(Script(answer_ids=(7,)))
    await engine.close()
    await engine.close()
    assert EngineState.CLOSED is (await engine.health()).state
    with pytest.raises(EngineDeadError):
        await deltas_of(engine, request())


async def test_probabilities_are_played_where_they_are_wanted() -> None:
    """Each candidate has its own; what is held is certain, and so is all the rest."""
    engine = ScriptedEngine(
        Script(
            answer_ids=(7, 8, 9),
            further_ids=((5, 6),),
            probabilities=((0.5, 0.25), (0.125,)),
        )
    )
    first = dataclasses.replace(
        request(),
        logprobs=True,
        hold=Hold(text="ab", typed_ids=(1, 2), steps=()),
    )
    asked = {
        "first": first,
        "second": dataclasses.replace(first, candidate=1, hold=None),
        "third": dataclasses.replace(first, candidate=2, hold=None),
        "plain": dataclasses.replace(first, logprobs=False),
    }
    played = {
        name: [
            round(math.exp(p), 3)
            for d in await deltas_of(engine, each)
            for p in d.logprobs
        ]
        for name, each in asked.items()
    }
    assert {
        "first": [1, 1, 0.5, 0.25, 1],
        "second": [0.125, 1],
        "third": [1, 1, 1],
        "plain": [],
    } == played
