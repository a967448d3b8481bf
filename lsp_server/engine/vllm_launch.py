"""Starts vLLM: everything between the settings and a running `AsyncLLM`.

What takes long or holds the interpreter's lock happens in a thread or in another
process, so the event loop stays free. That thread also imports vLLM, which takes
seconds.
"""

import asyncio
import contextlib
import dataclasses
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from lsp_server.config import Device, EngineConfig
from lsp_server.engine import loading, vllm_plugin
from lsp_server.engine.engine_folder import EngineFolder
from lsp_server.engine.launch import child_processes, end_processes, run_in_thread
from lsp_server.engine.vllm_build import choose_device
from lsp_server.engine.vllm_errors import start_error
from lsp_server.engine.vllm_messages import VllmMetrics
from lsp_server.engine.vllm_options import (
    choose_options,
    place_caches,
    prepare_environment,
    require_memory,
)
from lsp_server.engine_values import EngineInfo, StartStage

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM

__all__ = ["RunningVllm", "VllmLaunch"]

#: Classes that vLLM imports by name in its own processes.
_WORKER_EXTENSION = "lsp_server.engine.vllm_plugin.WorkerExtension"
_HOLD_PROCESSOR_V1 = "lsp_server.engine.hold_processors:HoldProcessorV1"
_HOLD_PROCESSOR_V2 = "lsp_server.engine.hold_processors:HoldProcessorV2"

#: How often the stages are read that another process reports.
_STAGE_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningVllm:
    """A started `AsyncLLM`, its processes, and its folder."""

    llm: "AsyncLLM"
    info: EngineInfo
    processes: tuple[psutil.Process, ...]
    folder: EngineFolder

    def end(self) -> None:
        """End the engine and every process that it started; blocks.

        The processes are killed: they hold nothing to be saved, and a process that is
        stopped or hangs ends in no other way.
        """
        with contextlib.suppress(Exception):
            self.llm.shutdown(timeout=0.0)
        # Its finaliser calls `shutdown` again, which fails at the interpreter's end,
        # when vLLM's modules are gone already.
        self.llm.shutdown = _do_nothing
        end_processes(self.processes)
        self.folder.remove()


def _do_nothing() -> None:
    """Replace `shutdown` after it was called."""


def _check_wanted(cancelled: threading.Event) -> None:
    """Stop a start that was cancelled.

    Raises:
        RuntimeError: It was; nobody waits for this error.
    """
    if cancelled.is_set():
        raise RuntimeError("the start was cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmLaunch:
    """One start of vLLM.

    Attributes:
        config: The user's settings.
        model_folder: The checkpoint.
        context_length: The most tokens that the model was trained for.
        quantization: vLLM's name of the checkpoint's scheme; empty leaves it to vLLM.
        on_stage: Called when a stage of the start begins, in any thread.
        stats: Takes vLLM's own metrics; without it vLLM keeps none.
    """

    config: EngineConfig
    model_folder: Path
    context_length: int
    quantization: str
    on_stage: Callable[[StartStage], None]
    stats: VllmMetrics | None = None
    _folders: list[EngineFolder] = field(default_factory=list)

    async def start(self) -> RunningVllm:
        """Start vLLM and its processes in a thread, and report the stages.

        If the task is cancelled, what was started so far is ended.

        Raises:
            MidfillError: The start failed; the error says why.
        """
        task = asyncio.create_task(run_in_thread(self._run, RunningVllm.end))
        reported = 0
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_STAGE_POLL_S)
                stages = self._stages()
                for stage in stages[reported:]:
                    self.on_stage(stage)
                reported = len(stages)
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
                # The thread may be importing vLLM, and the process may end before it.
                for folder in self._folders:
                    folder.clear()

    def _stages(self) -> tuple[StartStage, ...]:
        """Return the stages that processes of this launch have entered."""
        return vllm_plugin.read_stages(self._folders[0].path) if self._folders else ()

    def _run(self, cancelled: threading.Event) -> RunningVllm:
        """Start vLLM and its processes; blocks.

        Raises:
            MidfillError: The start failed; the error says why.
        """
        _check_wanted(cancelled)
        folder = EngineFolder.create()
        self._folders.append(folder)
        try:
            _check_wanted(cancelled)
            with loading.unblocked():
                return self._start(folder, cancelled)
        except BaseException as error:
            failures = vllm_plugin.read_failures(folder.path)
            folder.remove()
            if not isinstance(error, Exception):
                raise
            name = self.model_folder.name
            raise start_error(error, failures, model=name) from error

    def _start(self, folder: EngineFolder, cancelled: threading.Event) -> RunningVllm:
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
        place_caches(folder.path)
        vllm_plugin.drop_known_warnings()
        os.environ[vllm_plugin.FOLDER_VARIABLE] = str(folder.path)
        os.environ["VLLM_RPC_BASE_PATH"] = str(folder.path)
        self.on_stage(StartStage.IMPORT)
        loading.ensure_bytecode()
        loading.load_libraries()
        import vllm
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        _check_wanted(cancelled)
        self.on_stage(StartStage.SPAWN)
        before = child_processes()
        vllm_config = AsyncEngineArgs(
            **dataclasses.asdict(options),
            trust_remote_code=False,
            generation_config="vllm",
            load_format="safetensors",
            # Its own metrics are labelled with it, and a path would tell too much.
            served_model_name=self.model_folder.name,
            skip_tokenizer_init=True,
            enable_prefix_caching=True,
            disable_log_stats=True,
            use_tqdm_on_load=False,
            enable_log_requests=False,
            worker_extension_cls=_WORKER_EXTENSION,
        ).create_engine_config(UsageContext.ENGINE_CONTEXT)
        # The two model runners have different interfaces, and vLLM decides from the
        # whole configuration which of them it uses.
        is_v2 = vllm_config.use_v2_model_runner
        processor = _HOLD_PROCESSOR_V2 if is_v2 else _HOLD_PROCESSOR_V1
        vllm_config.model_config.logits_processors = [processor]
        name, stats = self.model_folder.name, self.stats
        llm = AsyncLLM.from_vllm_config(
            vllm_config,
            # These turn the statistics on, without the loggers of vLLM's own choice.
            stat_loggers=None if stats is None else [stats.logger_for(name)],
            disable_log_stats=True,
        )
        return RunningVllm(
            llm=llm,
            info=EngineInfo(
                name="vllm",
                version=vllm.__version__,
                device=device.value,
                max_model_len=llm.model_config.max_model_len,
            ),
            processes=tuple(p for p in child_processes() if p not in before),
            folder=folder,
        )
