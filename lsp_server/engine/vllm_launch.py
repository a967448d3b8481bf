"""Starting vLLM: everything between the settings and a running `AsyncLLM`.

What takes long or holds the interpreter happens in a thread or in another process, so
the event loop stays free. vLLM is imported by that thread, not with this module,
because the import alone takes seconds.
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
from lsp_server.engine import bytecode, log_noise, start_report, unblocked_import
from lsp_server.engine.device import choose_device
from lsp_server.engine.engine_folder import EngineFolder
from lsp_server.engine.environment import prepare_environment
from lsp_server.engine.launch import child_processes, end_processes, run_in_thread
from lsp_server.engine.memory import require_memory
from lsp_server.engine.start_faults import start_error
from lsp_server.engine.vllm_options import choose_options
from lsp_server.engine.worker_probe import WorkerProbe
from lsp_server.values import EngineInfo, StartStage

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM

__all__ = ["RunningVllm", "VllmLaunch"]

#: What holds a generation to a text, as vLLM names classes, for each model runner.
_HOLDS_V1 = "lsp_server.engine.hold_v1:HoldProcessor"
_HOLDS_V2 = "lsp_server.engine.hold_v2:HoldProcessor"

#: How often the stages are read that another process reaches.
_STAGE_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningVllm:
    """A started `AsyncLLM` with its processes."""

    llm: "AsyncLLM"
    info: EngineInfo
    processes: tuple[psutil.Process, ...]
    folder: EngineFolder

    def end(self) -> None:
        """End it and everything that it started.

        The processes are killed: they hold nothing that would have to be saved, and a
        stopped or hung one ends in no other way.
        """
        with contextlib.suppress(Exception):
            self.llm.shutdown(timeout=0.0)
        # Its finaliser calls `shutdown` once more, and fails where that is at the
        # interpreter's end, when vLLM's modules are gone already.
        self.llm.shutdown = _do_nothing
        end_processes(self.processes)
        self.folder.remove()


def _do_nothing() -> None:
    """Stand in for a call that was made already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmLaunch:
    """What a start was asked for.

    Attributes:
        config: The user's settings.
        model_folder: The checkpoint.
        context_length: The most tokens that the model was trained for.
        quantization: vLLM's name of the checkpoint's scheme; empty leaves it to vLLM.
        reach: Hears of each stage that the start comes to, in any thread.
    """

    config: EngineConfig
    model_folder: Path
    context_length: int
    quantization: str
    reach: Callable[[StartStage], None]
    _folders: list[EngineFolder] = field(default_factory=list)

    async def start(self) -> RunningVllm:
        """Start vLLM and its processes, in a thread, and tell the stages.

        Cancelling the task ends what was started so far.

        Raises:
            MidfillError: For the reason that it says.
        """
        task = asyncio.create_task(run_in_thread(self._run, RunningVllm.end))
        told = 0
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_STAGE_POLL_S)
                stages = self._reached()
                for stage in stages[told:]:
                    self.reach(stage)
                told = len(stages)
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    def _reached(self) -> tuple[StartStage, ...]:
        """The stages that processes of this launch have come to."""
        return start_report.reached(self._folders[0].path) if self._folders else ()

    def _run(self, cancelled: threading.Event) -> RunningVllm:
        """Start vLLM and its processes; blocks.

        Raises:
            MidfillError: For the reason that it says.
        """
        if cancelled.is_set():
            raise RuntimeError("the start was cancelled")
        folder = EngineFolder.create()
        self._folders.append(folder)
        try:
            with unblocked_import.unblocked():
                return self._start(folder, cancelled)
        except BaseException as error:
            causes = start_report.read_causes(folder.path)
            folder.remove()
            if not isinstance(error, Exception):
                raise
            raise start_error(error, causes, model=self.model_folder.name) from error

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
        if bytecode.cache_folder(os.environ) is None:
            # vLLM would make a folder named "~" in the present one.
            os.environ["VLLM_CACHE_ROOT"] = str(folder.path / "cache")
        log_noise.hush()
        os.environ[start_report.FOLDER_VARIABLE] = str(folder.path)
        os.environ["VLLM_RPC_BASE_PATH"] = str(folder.path)
        self.reach(StartStage.IMPORT)
        bytecode.ensure_bytecode()
        unblocked_import.load_libraries()
        import vllm
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        if cancelled.is_set():
            raise RuntimeError("the start was cancelled")
        self.reach(StartStage.SPAWN)
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
