"""The real engine says how likely each token was, if that is asked."""

import contextlib
import dataclasses

import pytest

from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.values import GenerationRequest, Hold, HoldStep, TokenDelta

pytestmark = [
    pytest.mark.engine,
    pytest.mark.asyncio(loop_scope="module"),
    # The first test imports vLLM, which warns of PyTorch's plans.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

VOCABULARY_BYTES = 16384 // 8

PLAIN = GenerationRequest(
    request_id="plain", token_ids=tuple(range(10, 100)), max_tokens=12
)
ASKED = dataclasses.replace(PLAIN, request_id="asked", logprobs=True)


async def generated(
    engine: VllmEngine, request: GenerationRequest
) -> tuple[list[int], list[float]]:
    """The tokens of a request and their log-probabilities."""
    deltas: list[TokenDelta] = []
    async with contextlib.aclosing(engine.generate(request)) as stream:
        deltas += [delta async for delta in stream]
    tokens = [token for delta in deltas for token in delta.token_ids]
    return tokens, [value for delta in deltas for value in delta.logprobs]


async def test_each_token_has_a_log_probability(vllm_engine: VllmEngine) -> None:
    """One for each, which changes no token; none where they are not asked for."""
    tokens, none = await generated(vllm_engine, PLAIN)
    same_tokens, logprobs = await generated(vllm_engine, ASKED)
    assert (tokens, []) == (same_tokens, none)
    assert len(tokens) == len(logprobs)
    assert all(value <= 0 for value in logprobs)
    assert min(logprobs) < -0.01


async def test_a_stop_token_has_none(vllm_engine: VllmEngine) -> None:
    """It is no part of the text, and neither is its probability."""
    tokens, logprobs = await generated(vllm_engine, ASKED)
    at = next(i for i, token in enumerate(tokens) if token not in tokens[:i] and i)
    stopped = dataclasses.replace(ASKED, stop_token_ids=(tokens[at],))
    assert (tokens[:at], logprobs[:at]) == await generated(vllm_engine, stopped)


async def test_what_a_hold_forbids_has_no_probability(vllm_engine: VllmEngine) -> None:
    """The only token that is allowed is certain, however unlikely it was."""
    likeliest = (await generated(vllm_engine, PLAIN))[0][0]
    other = 300 if likeliest != 300 else 301
    only = bytearray(VOCABULARY_BYTES)
    only[other // 8] = 1 << other % 8
    held = dataclasses.replace(
        ASKED,
        hold=Hold(
            text="held", typed_ids=(other,), steps=(HoldStep(finishing=bytes(only)),)
        ),
    )
    tokens, logprobs = await generated(vllm_engine, held)
    assert (other, 0.0) == (tokens[0], logprobs[0])
    assert min(logprobs) < 0
