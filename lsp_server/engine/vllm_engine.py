"""The real engine: vLLM's `AsyncLLM` behind the `Engine` interface.

vLLM schedules and computes in processes of its own, which `vllm_launch` starts.
"""

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Self

from lsp_server.config import EngineConfig
from lsp_server.engine.launch import cpu_time_s, in_daemon_thread
from lsp_server.engine.vllm_errors import request_errors
from lsp_server.engine.vllm_launch import RunningVllm, VllmLaunch
from lsp_server.engine.vllm_messages import (
    VllmMetrics,
    delta_of,
    engine_input,
    sampling_params,
)
from lsp_server.engine_values import EngineHealth, EngineInfo, EngineState, StartStage
from lsp_server.errors import (
    EngineDeadError,
    RequestRejectedError,
)
from lsp_server.values import GenerationRequest, TokenDelta

__all__ = ["VllmEngine"]

logger = logging.getLogger(__name__)

#: Generated at the end of a start: it proves that the engine works, and builds what is
#: built at first use, also for log-probabilities.
_PROBE = GenerationRequest(
    request_id="start-probe", token_ids=(0, 0), max_tokens=2, logprobs=True
)


def _ignore(_stage: StartStage) -> None:
    """Do nothing when a stage begins."""


class VllmEngine:
    """vLLM, on a CPU or on CUDA; `start` makes one."""

    def __init__(self, running: RunningVllm, *, kernels: Sequence[str] = ()) -> None:
        """Wrap a vLLM that `VllmLaunch` has started."""
        self._running = running
        self._llm = running.llm
        self._vocabulary_size = int(running.llm.model_config.get_vocab_size())
        self._info = dataclasses.replace(
            running.info, kernel=", ".join(kernels) or None
        )
        self._active: set[str] = set()
        self._ending: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        config: EngineConfig,
        *,
        model_folder: Path,
        context_length: int,
        quantization: str = "",
        on_stage: Callable[[StartStage], None] = _ignore,
        stats: VllmMetrics | None = None,
    ) -> Self:
        """Start an engine, and check that it generates.

        Takes half a minute or more. If the task is cancelled, what was started ends.

        Args:
            config: The user's settings.
            model_folder: The checkpoint; the caller has verified its files.
            context_length: The most tokens that the model was trained for.
            quantization: vLLM's name of the checkpoint's scheme; empty lets vLLM read
                it from the checkpoint.
            on_stage: Called when a stage of the start begins, in any thread.
            stats: Takes vLLM's own metrics; without it vLLM keeps none.

        Raises:
            ConfigError: A setting asks for more than the model can do.
            ModelError: The model cannot run here, or its files are damaged.
            EngineStartError: The engine cannot start for another reason.
        """
        started_at = time.monotonic()
        logger.info("engine.start", extra={"model": model_folder.name})
        launch = VllmLaunch(
            config=config,
            model_folder=model_folder,
            context_length=context_length,
            quantization=quantization,
            on_stage=on_stage,
            stats=stats,
        )
        running = await launch.start()
        engine = cls(running)
        try:
            on_stage(StartStage.PROBE)
            async with contextlib.aclosing(engine.generate(_PROBE)) as deltas:
                async for _ in deltas:
                    pass
            kernels = await running.llm.collective_rpc("midfill_linear_kernels")
        except BaseException:
            await engine.close()
            raise
        logger.info(
            "engine.ready",
            extra={"start_s": round(time.monotonic() - started_at, 1)},
        )
        return cls(running, kernels=kernels[0])

    @property
    def info(self) -> EngineInfo:
        """Name, version and device of this engine."""
        return self._info

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Generate, one delta after the other; closing the generator aborts.

        Raises:
            RequestRejectedError: vLLM refuses this request.
            GenerationError: This generation failed, the engine lives.
            EngineDeadError: The engine is gone.
        """
        self._check_open(request)
        self._check_request(request)
        finished, is_first = False, True
        self._active.add(request.request_id)
        try:
            with request_errors(request.request_id):
                outputs = self._llm.generate(
                    engine_input(request),
                    sampling_params(request),
                    request.request_id,
                    priority=request.priority.value,
                )
                async with contextlib.aclosing(outputs):
                    async for output in outputs:
                        finished = output.finished
                        delta = delta_of(output, request, is_first=is_first)
                        is_first &= not delta.token_ids
                        yield delta
        finally:
            self._active.discard(request.request_id)
            if not finished:
                # vLLM aborts by itself, unless it is cancelled between noting a request
                # and passing it to the scheduler.
                await self.abort(request.request_id)

    def _check_open(self, request: GenerationRequest) -> None:
        """Refuse a request to a closed engine, which would never be answered."""
        if self._ending is not None:
            raise EngineDeadError(
                "the engine was shut down",
                subject=f"request {request.request_id}",
                remedy="start another one",
            )

    def _check_request(self, request: GenerationRequest) -> None:
        """Refuse an id that is in flight, and tokens that the model does not have.

        vLLM would abort both requests of one id together. It checks tokens only if it
        has a tokenizer; unchecked, they fail in the model's embedding, and the whole
        engine dies.
        """
        size = self._vocabulary_size
        unknown = next((t for t in request.token_ids if not 0 <= t < size), None)
        what = remedy = ""
        if request.request_id in self._active:
            what = "a request of this id is in flight"
            remedy = "give each request an id of its own"
        elif unknown is not None:
            what = f"token {unknown} is not one of the model's {size}"
            remedy = "check that the tokenizer is the model's own"
        if what:
            subject = f"request {request.request_id}"
            raise RequestRejectedError(what, subject=subject, remedy=remedy)

    async def abort(self, request_id: str) -> None:
        """End a request in the engine; an unknown or finished one is ignored."""
        with contextlib.suppress(Exception):
            await self._llm.abort(request_id)

    async def reset_prefix_cache(self) -> bool:
        """Empty the prefix cache.

        Returns:
            Whether the engine did so; it does not while a request holds memory.

        Raises:
            EngineDeadError: The engine is gone.
        """
        with request_errors("reset-prefix-cache"):
            return bool(await self._llm.reset_prefix_cache())

    async def health(self) -> EngineHealth:
        """Return the engine's state; never raises."""
        in_flight = self._llm.get_num_unfinished_requests()
        if self._ending is not None:
            return EngineHealth(state=EngineState.CLOSED, requests_in_flight=0)
        if self._llm.errored:
            return EngineHealth(
                state=EngineState.FAILED,
                requests_in_flight=in_flight,
                detail="the engine process ended",
            )
        return EngineHealth(
            state=EngineState.READY,
            requests_in_flight=in_flight,
            cpu_s=cpu_time_s(self._running.processes),
        )

    async def close(self) -> None:
        """End the engine and every process that it started. May be called twice."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name="engine-end")
        # Shielded, so that closing goes on if the caller is cancelled.
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        if (handler := self._llm.output_handler) is not None:
            # It would report the wanted end of the process as a failure.
            handler.cancel()
            await asyncio.wait({handler})
        await in_daemon_thread(self._running.end)
        logger.info("engine.closed")
