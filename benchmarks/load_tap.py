"""What a load asked of the engine: noted, and asked again of `AsyncLLM` itself."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.engine_tap import EngineTap, RawOrder, Seen
from benchmarks.load_clients import Record
from benchmarks.load_speech import Speech
from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.values import GenerationRequest, TokenDelta

if TYPE_CHECKING:
    from vllm.config import VllmConfig

__all__ = ["Asked", "KvMeter", "LoadTap", "record_of", "use_kv_meter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, as it reached the engine.

    Attributes:
        at_s: When, after the first one of its load.
        cancel_s: When it was cancelled, on the same clock; None if it was not.
        token_ids: The prompt.
        max_tokens: The most tokens that were wanted.
        needed_tokens: After how many the server had enough; 0 where the engine ended.
        output_tokens: How many came.
        cached_tokens: Prompt tokens that the prefix cache held.
        stop_token_ids: The tokens that end the generation.
    """

    at_s: float
    cancel_s: float | None
    token_ids: Sequence[int]
    max_tokens: int
    needed_tokens: int
    output_tokens: int
    cached_tokens: int
    stop_token_ids: Sequence[int]


class LoadTap(EngineTap):
    """Remembers what was asked of the engine and when, and asks it of vLLM again.

    Args:
        engine: The engine that the server would have had.
        tokenizer: The server's tokenizer.
        speech: What is read in place of the engine's tokens; None reads them.
    """

    def __init__(
        self, engine: VllmEngine, tokenizer: FastTokenizer, *, speech: Speech | None
    ) -> None:
        super().__init__(engine, tokenizer)
        self._speech = speech
        self.cancelled_s: dict[str, float] = {}

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Generate, and note when it was cancelled."""
        speech, said_tokens = self._speech, 0
        if speech is not None:
            request = speech.limited(request)
        try:
            async with contextlib.aclosing(super().generate(request)) as deltas:
                async for delta in deltas:
                    yield speech.say(delta, said_tokens) if speech else delta
                    said_tokens += len(delta.token_ids)
        except asyncio.CancelledError:
            self.cancelled_s[request.request_id] = time.perf_counter()
            raise

    async def begin(self) -> bool:
        """Forget all prompts and requests; return whether nothing was running."""
        self.cancelled_s = {}
        return await self.forget()

    def asked(self) -> list[Asked]:
        """Return what was asked since `begin`."""
        seen = [*self.seen.values()]
        first_s = min((each.asked_s for each in seen), default=0.0)
        return [self._asked(each, first_s) for each in seen]

    def _asked(self, seen: Seen, first_s: float) -> Asked:
        cancelled_s = self.cancelled_s.get(seen.request_id)
        left_early = not seen.is_finished and cancelled_s is None
        return Asked(
            at_s=seen.asked_s - first_s,
            cancel_s=None if cancelled_s is None else cancelled_s - first_s,
            token_ids=seen.token_ids,
            max_tokens=seen.max_tokens,
            needed_tokens=seen.output_tokens if left_early else 0,
            output_tokens=seen.output_tokens,
            cached_tokens=seen.cached_tokens,
            stop_token_ids=seen.stop_token_ids,
        )

    async def replay(self, asked: Sequence[Asked]) -> list[Record]:
        """Ask `AsyncLLM` for the same tokens at the same moments, and cancel as then.

        The prefix cache is emptied first, as it was before the load.
        """
        if not await self.begin():
            raise RuntimeError("a request still holds memory in the engine")
        begin_s = time.perf_counter() + 0.1
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._again(each, begin_s)) for each in asked]
        return [task.result() for task in tasks]

    async def _again(self, asked: Asked, begin_s: float) -> Record:
        order = RawOrder(
            token_ids=list(asked.token_ids),
            max_tokens=asked.max_tokens,
            stop_token_ids=list(asked.stop_token_ids),
            enough_tokens=asked.needed_tokens,
        )
        await asyncio.sleep(begin_s + asked.at_s - time.perf_counter())
        start_s = time.perf_counter()
        cancel_s = asked.cancel_s
        limit_s = None if cancel_s is None else begin_s + cancel_s - start_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                [times] = await self.generate_raw([order])
                return record_of(
                    asked, start_s, times.output_tokens, times.cached_tokens
                )
        return record_of(asked, start_s, None)


def record_of(
    asked: Asked, start_s: float, output_tokens: int | None, cached_tokens: int = 0
) -> Record:
    """Return the record of a request that was asked again, and ends now.

    Args:
        asked: The request.
        start_s: When it was asked again.
        output_tokens: How many tokens came; None if it was cancelled first.
        cached_tokens: Prompt tokens that the prefix cache held.
    """
    outcome = "answered" if output_tokens else "empty"
    return Record(
        typist=0,
        start_s=start_s,
        total_ms=(time.perf_counter() - start_s) * 1e3,
        outcome="superseded" if output_tokens is None else outcome,
        prompt_tokens=len(asked.token_ids),
        cached_tokens=cached_tokens,
        output_tokens=output_tokens or 0,
    )


class KvMeter:
    """Follows how much of the KV cache running requests hold, step by step."""

    def __init__(self) -> None:
        self._block_count = self._block_tokens = 0
        self._most = self._sum = 0.0
        self._steps = 0

    def for_engine(self, vllm_config: "VllmConfig", engine_index: int = 0) -> "KvMeter":
        """Follow this engine; vLLM calls it as it would make a logger."""
        del engine_index
        self._config = vllm_config
        return self

    def record(self, scheduler_stats: Any, *_: object, **__: object) -> None:  # noqa: ANN401 - vLLM's, not in its public interface
        """Note one step of the scheduler; steps without a request do not count."""
        usage = scheduler_stats.kv_cache_usage if scheduler_stats else 0.0
        if usage:
            self._most = max(self._most, usage)
            self._sum += usage
            self._steps += 1

    def log_engine_initialized(self) -> None:
        """Note the size of the cache."""

    def log(self) -> None:
        """Do nothing: the figures are asked for."""

    def record_sleep_state(self, is_awake: int, level: int) -> None:
        """Do nothing: nobody sleeps."""

    def take(self) -> dict[str, float]:
        """Return the figures since the last call, in tokens and bytes."""
        cache = self._config.cache_config
        tokens = (cache.num_gpu_blocks or 0) * cache.block_size
        token_bytes = _bytes_per_token(self._config)
        mean = self._sum / self._steps if self._steps else 0.0
        figures = {
            "pool_mib": round(tokens * token_bytes / 2**20, 1),
            "most_tokens": round(self._most * tokens),
            "most_mib": round(self._most * tokens * token_bytes / 2**20, 1),
            "mean_mib": round(mean * tokens * token_bytes / 2**20, 1),
        }
        self._most = self._sum = 0.0
        self._steps = 0
        return figures


def _bytes_per_token(config: "VllmConfig") -> int:
    """Return what a token takes in the KV cache of all layers, in bytes."""
    model, parallel = config.model_config, config.parallel_config
    heads = model.get_num_kv_heads(parallel)
    layers = model.get_num_layers(parallel)
    return int(2 * layers * heads * model.get_head_size() * model.dtype.itemsize)


def use_kv_meter(meter: KvMeter) -> None:
    """Have the next `AsyncLLM` report each step of its scheduler to a meter."""
    from vllm.v1.engine import async_llm  # noqa: PLC0415 - takes seconds

    make = async_llm.AsyncLLM.from_vllm_config

    def from_vllm_config(config: "VllmConfig", **_: object) -> object:
        return make(config, stat_loggers=[meter.for_engine], disable_log_stats=False)

    async_llm.AsyncLLM.from_vllm_config = from_vllm_config
