"""An engine under a benchmark: it serves as ever, and can be asked past the server."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.heap_probe import heap_in_use_bytes, release_free_heap
from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.engine_values import EngineHealth, EngineInfo
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.values import GenerationRequest, TokenDelta

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM

__all__ = ["EngineTap", "RawOrder", "RawTimes", "Seen"]


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the engine was asked by the server, and when it answered.

    Attributes:
        request_id: The server's id of the request.
        token_ids: The prompt.
        max_tokens: The most tokens that the server wanted.
        stop_token_ids: The tokens that end the generation.
        priority: How urgent it was, as `Priority` counts.
        asked_s: When the engine was asked, on the system's monotonic clock.
        first_token_s: When the first token came.
        last_token_s: When the last token came that the server took, or the end.
        output_tokens: How many tokens the server took.
        cached_tokens: Prompt tokens that the prefix cache held.
        is_finished: Whether the engine ended it, and not the server.
    """

    request_id: str
    token_ids: tuple[int, ...]
    max_tokens: int
    stop_token_ids: tuple[int, ...]
    priority: int = 0
    asked_s: float = 0.0
    first_token_s: float | None = None
    last_token_s: float = 0.0
    output_tokens: int = 0
    cached_tokens: int = 0
    is_finished: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RawOrder:
    """A generation that is asked of vLLM itself.

    Attributes:
        token_ids: The prompt.
        max_tokens: The most tokens to generate.
        stop_token_ids: The tokens that end the generation.
        enough_tokens: Leave after this many tokens; 0 waits for the engine to end.
    """

    token_ids: list[int]
    max_tokens: int
    stop_token_ids: list[int]
    enough_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTimes:
    """What a raw generation took.

    Attributes:
        ttft_ms: From the call to the first token.
        total_ms: From the call to the last token that was wanted.
        output_tokens: How many tokens came.
        cached_tokens: Prompt tokens that the prefix cache held.
        token_ids: The tokens, with the one that ended the generation.
    """

    ttft_ms: float
    total_ms: float
    output_tokens: int
    cached_tokens: int
    token_ids: list[int]


class EngineTap:
    """Passes everything on to an engine, and takes notes.

    Args:
        engine: The engine that the server would have had.
        tokenizer: The server's tokenizer, which remembers what it encoded.
    """

    def __init__(self, engine: VllmEngine, tokenizer: FastTokenizer) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._raw_requests = 0
        self._stoppable: asyncio.Task[RawTimes] | None = None
        self.seen: dict[str, Seen] = {}

    @property
    def info(self) -> EngineInfo:
        """What the engine is."""
        return self._engine.info

    @property
    def _llm(self) -> "AsyncLLM":
        """The `AsyncLLM` below, which Midfill hides from everybody else."""
        return self._engine._llm  # noqa: SLF001 - the benchmark is about what is hidden

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Generate, and note when the first token came and how many were taken."""
        seen = Seen(
            request_id=request.request_id,
            token_ids=request.token_ids,
            max_tokens=request.max_tokens,
            stop_token_ids=request.stop_token_ids,
            priority=int(request.priority),
            asked_s=time.perf_counter(),
        )
        self.seen[request.request_id] = seen
        async with contextlib.aclosing(self._engine.generate(request)) as deltas:
            async for delta in deltas:
                seen.last_token_s = time.perf_counter()
                if seen.first_token_s is None:
                    seen.first_token_s = seen.last_token_s
                seen.output_tokens += len(delta.token_ids)
                seen.cached_tokens = max(seen.cached_tokens, delta.num_cached_tokens)
                seen.is_finished = delta.finish_reason is not None
                yield delta

    async def generate_raw(self, orders: Sequence[RawOrder]) -> list[RawTimes]:
        """Run all orders at once on `AsyncLLM`, with Midfill's sampling parameters."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one_raw(order)) for order in orders]
        return [task.result() for task in tasks]

    async def _one_raw(self, order: RawOrder) -> RawTimes:
        from vllm.sampling_params import RequestOutputKind, SamplingParams  # noqa: PLC0415 - as in the engine

        self._raw_requests += 1
        parameters = SamplingParams(
            temperature=0.0,
            max_tokens=order.max_tokens,
            stop_token_ids=order.stop_token_ids,
            ignore_eos=True,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
        )
        started = time.perf_counter()
        first = ended = started
        tokens = cached = 0
        token_ids: list[int] = []
        outputs = self._llm.generate(
            {"prompt_token_ids": order.token_ids},
            parameters,
            f"raw-{self._raw_requests}",
        )
        async with contextlib.aclosing(outputs):
            async for output in outputs:
                ended = time.perf_counter()
                if first == started:
                    first = ended
                # The server does not count the token that ends a generation.
                came = output.outputs[0].token_ids
                token_ids += came
                tokens += sum(each not in order.stop_token_ids for each in came)
                cached = max(cached, output.num_cached_tokens or 0)
                if order.enough_tokens and tokens >= order.enough_tokens:
                    break
        return RawTimes(
            ttft_ms=(first - started) * 1e3,
            total_ms=(ended - started) * 1e3,
            output_tokens=tokens,
            cached_tokens=cached,
            token_ids=token_ids,
        )

    async def generate_raw_until_stopped(self, order: RawOrder) -> RawTimes | None:
        """Run one order; None if `stop_raw` ended it."""
        self._stoppable = asyncio.create_task(self._one_raw(order))
        await asyncio.wait({self._stoppable})
        return None if self._stoppable.cancelled() else self._stoppable.result()

    def stop_raw(self) -> None:
        """End the order of `generate_raw_until_stopped`, as a client that hangs up."""
        if self._stoppable is not None:
            self._stoppable.cancel()

    async def forget(self) -> bool:
        """Forget all prompts: in vLLM's prefix cache, the tokenizer and our notes.

        Returns:
            Whether the engine did so, which it does only if no request holds memory.
        """
        self.seen.clear()
        self._tokenizer.forget()
        return await self._engine.reset_prefix_cache()

    async def heap_in_use_bytes(self) -> dict[str, int]:
        """Free unused memory in server and workers; return the bytes in use of each."""
        release_free_heap()
        workers = await self._llm.collective_rpc("midfill_heap_in_use_bytes")
        return {"server": heap_in_use_bytes(), "engine": sum(workers)}

    def unfinished(self) -> int:
        """How many requests vLLM has not ended."""
        return int(self._llm.get_num_unfinished_requests())

    async def abort(self, request_id: str) -> None:
        """End a request in the engine."""
        await self._engine.abort(request_id)

    async def health(self) -> EngineHealth:
        """Return the engine's health."""
        return await self._engine.health()

    async def close(self) -> None:
        """End the engine."""
        await self._engine.close()
