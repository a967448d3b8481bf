"""The real engine: vLLM's `AsyncLLM` behind the `Engine` Protocol.

vLLM runs in processes of its own: an engine core that schedules, and workers that
compute. What takes long or holds the interpreter happens there or in a thread, so the
event loop stays free while an engine starts and ends. vLLM itself is imported by that
thread, not with this module, because the import alone takes seconds.
"""

import asyncio
import contextlib
import dataclasses
import logging
import os
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from lsp_server.config import Device, EngineConfig
from lsp_server.engine import log_noise, start_report
from lsp_server.engine.device import choose_device
from lsp_server.engine.environment import prepare_environment
from lsp_server.engine.faults import request_faults
from lsp_server.engine.launch import child_processes, end_processes, run_in_thread
from lsp_server.engine.memory import require_memory
from lsp_server.engine.start_faults import start_error
from lsp_server.engine.vllm_options import choose_options
from lsp_server.engine.worker_probe import WorkerProbe
from lsp_server.errors import (
    EngineDeadError,
    GenerationError,
    RequestRejectedError,
)
from lsp_server.values import (
    EngineHealth,
    EngineInfo,
    EngineState,
    FinishReason,
    GenerationRequest,
    TokenDelta,
)

if TYPE_CHECKING:
    from vllm.inputs import TokensInput
    from vllm.outputs import RequestOutput
    from vllm.sampling_params import SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

__all__ = ["VllmEngine"]

logger = logging.getLogger(__name__)

_FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "repetition": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "abort": FinishReason.ABORT,
}

#: Generated at the end of a start, so that a ready engine has proved that it can, and
#: the first real request does not pay for what is built at first use.
_PROBE = GenerationRequest(request_id="start-probe", token_ids=(0, 0), max_tokens=2)

#: What holds a generation to a text, as vLLM names classes, for each model runner.
_HOLDS_V1 = "lsp_server.engine.hold_v1:HoldProcessor"
_HOLDS_V2 = "lsp_server.engine.hold_v2:HoldProcessor"

#: vLLM's processes get this long to end by themselves before they are killed.
_SHUTDOWN_TIMEOUT_S = 5.0


class VllmEngine:
    """vLLM, on a CPU or on CUDA; `start` makes one."""

    def __init__(self, running: "_Running", *, kernels: Sequence[str] = ()) -> None:
        """Take over what a launch made."""
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
    ) -> Self:
        """Start an engine and prove that it generates.

        Takes half a minute and more; the event loop goes on meanwhile. Cancelling the
        task ends every process that was started so far.

        Args:
            config: The user's settings.
            model_folder: The checkpoint; the caller has verified its files.
            context_length: The most tokens that the model was trained for.
            quantization: vLLM's name of the checkpoint's scheme; empty lets vLLM read
                it from the checkpoint.

        Raises:
            ConfigError: A setting asks for more than the model can do.
            ModelError: Only another model helps, or a fresh copy of this one.
            EngineStartError: The engine cannot start for another reason.
        """
        started_at = time.monotonic()
        logger.info("engine.start", extra={"model": model_folder.name})
        launch = _Launch(
            config=config,
            model_folder=model_folder,
            context_length=context_length,
            quantization=quantization,
        )
        running = await run_in_thread(launch.run, _Running.end)
        engine = cls(running)
        try:
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
        """What this engine is."""
        return self._info

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Generate, one delta after the other; closing the generator aborts.

        Raises:
            RequestRejectedError: vLLM refuses this request.
            GenerationError: This generation failed, the engine lives.
            EngineDeadError: The engine is gone.
        """
        self._check_open(request)
        self._check_tokens(request)
        finished = False
        self._active.add(request.request_id)
        try:
            with request_faults(request.request_id):
                outputs = self._llm.generate(
                    _engine_input(request),
                    _sampling_params(request),
                    request.request_id,
                )
                async with contextlib.aclosing(outputs):
                    async for output in outputs:
                        finished = output.finished
                        yield _delta(output, request)
        finally:
            self._active.discard(request.request_id)
            if not finished:
                # vLLM aborts by itself, except where it is cancelled between noting a
                # request and handing it to the scheduler.
                await self.abort(request.request_id)

    def _check_open(self, request: GenerationRequest) -> None:
        """Refuse a request to an engine that was closed: nobody would answer it."""
        if self._ending is not None:
            raise EngineDeadError(
                "the engine was shut down",
                subject=f"request {request.request_id}",
                remedy="start another one",
            )

    def _check_tokens(self, request: GenerationRequest) -> None:
        """Refuse tokens that the model does not have.

        vLLM checks them only where it has a tokenizer; unchecked, the worker fails in
        its embedding and the whole engine dies.
        """
        size = self._vocabulary_size
        strange = next((t for t in request.token_ids if not 0 <= t < size), None)
        if strange is not None:
            raise RequestRejectedError(
                f"token {strange} is not one of the model's {size}",
                subject=f"request {request.request_id}",
                remedy="check that the tokenizer is the model's own",
            )

    async def abort(self, request_id: str) -> None:
        """End a request in the engine; an unknown or ended one is left in peace."""
        with contextlib.suppress(Exception):
            await self._llm.abort(request_id)

    async def reset_prefix_cache(self) -> bool:
        """Forget every cached prompt.

        Returns:
            Whether the engine did so, which it does only if no request holds memory.

        Raises:
            EngineDeadError: The engine is gone.
        """
        with request_faults("reset-prefix-cache"):
            return bool(await self._llm.reset_prefix_cache())

    async def health(self) -> EngineHealth:
        """Tell how the engine is; this never raises."""
        in_flight = self._llm.get_num_unfinished_requests()
        if self._ending is not None:
            return EngineHealth(state=EngineState.CLOSED, requests_in_flight=0)
        if self._llm.errored:
            return EngineHealth(
                state=EngineState.FAILED,
                requests_in_flight=in_flight,
                detail="the engine process is gone",
            )
        return EngineHealth(state=EngineState.READY, requests_in_flight=in_flight)

    async def close(self) -> None:
        """End the engine and every process that it started. May be called twice."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name="engine-end")
        # Shielded, so that the end goes on where a caller is cancelled.
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        for request_id in tuple(self._active):
            await self.abort(request_id)
        if (handler := self._llm.output_handler) is not None:
            # It would report the end of the process that is wanted as a failure.
            handler.cancel()
            await asyncio.wait({handler})
        await asyncio.to_thread(self._running.end)
        logger.info("engine.closed")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """A started `AsyncLLM` with its processes."""

    llm: "AsyncLLM"
    info: EngineInfo
    processes: tuple[psutil.Process, ...]

    def end(self) -> None:
        """End it and everything that it started. Blocks for some seconds."""
        with contextlib.suppress(Exception):
            self.llm.shutdown(timeout=_SHUTDOWN_TIMEOUT_S)
        # Its finaliser calls `shutdown` once more, and fails where that is at the
        # interpreter's end, when vLLM's modules are gone already.
        self.llm.shutdown = _do_nothing
        end_processes(self.processes)


def _do_nothing() -> None:
    """Stand in for a call that was made already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Launch:
    """What a start was asked for. `run` is its blocking part."""

    config: EngineConfig
    model_folder: Path
    context_length: int
    quantization: str

    def run(self, cancelled: threading.Event) -> _Running:
        """Start vLLM and its processes, in a thread.

        Raises:
            MidfillError: For the reason that it says.
        """
        with tempfile.TemporaryDirectory(prefix="midfill-") as folder:
            report = Path(folder) / "causes.jsonl"
            try:
                return self._start(report, cancelled)
            except Exception as error:
                causes = start_report.read_causes(report)
                model = self.model_folder.name
                raise start_error(error, causes, model=model) from error

    def _start(self, report: Path, cancelled: threading.Event) -> _Running:
        device = choose_device(self.config.device)
        options = choose_options(
            self.config,
            device=device,
            model_folder=self.model_folder,
            context_length=self.context_length,
            quantization=self.quantization,
        )
        if device is Device.CPU:
            require_memory(
                self.model_folder, kv_cache_bytes=options.kv_cache_memory_bytes or 0
            )
        prepare_environment(device)
        log_noise.hush()
        os.environ[start_report.REPORT_VARIABLE] = str(report)
        import vllm
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        if cancelled.is_set():
            raise RuntimeError("the start was cancelled")
        before = child_processes()
        vllm_config = AsyncEngineArgs(
            **dataclasses.asdict(options),
            trust_remote_code=False,
            generation_config="vllm",
            load_format="safetensors",
            skip_tokenizer_init=True,
            enable_prefix_caching=True,
            disable_log_stats=True,
            use_tqdm_on_load=False,
            enable_log_requests=False,
            worker_extension_cls=f"{WorkerProbe.__module__}.{WorkerProbe.__name__}",
        ).create_engine_config(UsageContext.ENGINE_CONTEXT)
        # The two model runners have interfaces of their own, and which of them it is
        # vLLM decides from all of the configuration.
        holds = _HOLDS_V2 if vllm_config.use_v2_model_runner else _HOLDS_V1
        vllm_config.model_config.logits_processors = [holds]
        llm = AsyncLLM.from_vllm_config(vllm_config, disable_log_stats=True)
        return _Running(
            llm=llm,
            info=EngineInfo(
                name="vllm",
                version=vllm.__version__,
                device=device.value,
                max_model_len=llm.model_config.max_model_len,
            ),
            processes=tuple(p for p in child_processes() if p not in before),
        )


def _engine_input(request: GenerationRequest) -> "TokensInput":
    from vllm.inputs import tokens_input

    return tokens_input(list(request.token_ids))


def _sampling_params(request: GenerationRequest) -> "SamplingParams":
    from vllm.sampling_params import RequestOutputKind, SamplingParams

    from lsp_server.engine.hold_masks import extra_arguments

    return SamplingParams(
        temperature=request.temperature,
        top_p=request.top_p,
        # The same request has the same answer, and each candidate one of its own.
        seed=request.candidate or None,
        extra_args=extra_arguments(request.hold, len(request.token_ids)),
        max_tokens=request.max_tokens,
        stop_token_ids=list(request.stop_token_ids),
        # Only the request says what ends it; the prompt's family knows its tokens.
        ignore_eos=True,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
    )


def _delta(output: "RequestOutput", request: GenerationRequest) -> TokenDelta:
    """Turn one output of vLLM into a delta.

    Raises:
        GenerationError: vLLM gave the request up.
    """
    step = output.outputs[0]
    token_ids = tuple(step.token_ids)
    if step.finish_reason == "error":
        raise GenerationError(
            "the engine gave the request up",
            subject=f"request {request.request_id}",
            remedy="try again; the engine's log on stderr has the cause",
        )
    if (
        step.finish_reason == "stop"
        and token_ids[-1:]
        and (token_ids[-1] in request.stop_token_ids)
    ):
        token_ids = token_ids[:-1]  # vLLM hands the stop token out as well.
    return TokenDelta(
        token_ids=token_ids,
        num_cached_tokens=output.num_cached_tokens or 0,
        finish_reason=_FINISH_REASONS.get(step.finish_reason or ""),
    )
