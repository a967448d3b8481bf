"""The backend of one server process: a model, its engine, and the service on top.

Loading happens behind the editor's back: `start` returns at once, and what becomes of
the engine is told to a listener.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from lsp_server.config import Config, Device, EngineKind
from lsp_server.context.window import LineWindows
from lsp_server.engine.base import Engine, ReportProgress
from lsp_server.engine.restart_policy import RestartPolicy
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.engine.start_progress import StartProgress, StartTimes
from lsp_server.engine.supervisor import EngineSupervisor
from lsp_server.engine.vllm_build import choose_device
from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.files import user_folder
from lsp_server.modelstore.locate import pulled_models_folder
from lsp_server.outcomes import CompletionResult
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.service import reasons
from lsp_server.service.backend import EngineListener
from lsp_server.service.completion import CompletionService
from lsp_server.service.loaded_model import LoadedModel, load_model
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import (
    EngineNews,
    EngineState,
    Prompt,
    Snapshot,
    StartStage,
    Trigger,
)

__all__ = ["EngineStarter", "LocalBackend", "service_of", "starter_of"]

EngineStarter = Callable[[Config, LoadedModel, StartProgress], Awaitable[Engine]]

_TELL_INTERVAL_S = 0.25

_STAGE_TEXTS = MappingProxyType(
    {
        StartStage.VERIFY: "verifying the model",
        StartStage.IMPORT: "loading vLLM",
        StartStage.SPAWN: "starting the engine",
        StartStage.WEIGHTS: "reading the weights",
        StartStage.WARM_UP: "preparing the cache",
        StartStage.PROBE: "trying the engine out",
    }
)

_BETWEEN_TEXTS = "\x1e"
"""Stands between the texts of the setting ``scripted.candidates``."""


class LocalBackend:
    """Completes with an engine of this process's own.

    Args:
        config: Every setting.
        start_engine: Starts an engine for a model; `starter_of` gives the usual one.
    """

    def __init__(self, config: Config, start_engine: EngineStarter) -> None:
        """Prepare; ``start`` loads."""
        self._config = config
        self._start_engine = start_engine
        self._engine: EngineSupervisor | None = None
        self._model: LoadedModel | None = None
        self._service: CompletionService | None = None
        cache = user_folder("cache")
        self._times = StartTimes(cache / "start-times.json" if cache else None)

    async def start(self, listener: EngineListener) -> None:
        """Begin to load in the background, and return at once."""
        self._engine = EngineSupervisor(
            self._start,
            listener=lambda news: listener.engine_changed(self._named(news)),
            policy=RestartPolicy.from_config(self._config.engine),
        )
        self._engine.begin()

    @property
    def enabled(self) -> bool:
        """Whether the settings offer completions at all."""
        return self._config.completion.enabled

    def restart(self) -> None:
        """Start the engine again at once, also one that was given up."""
        if self._engine is not None:
            self._engine.restart()

    def configure(self, config: Config) -> None:
        """Apply changed settings; those of model and engine wait for a restart."""
        self._config = config
        self._assemble()

    async def complete(
        self,
        snapshot: Snapshot,
        *,
        request_id: str,
        trigger: Trigger,
        typed: TypedAhead,
    ) -> CompletionResult:
        """Complete at the snapshot's cursor; nothing before the engine is ready."""
        service, engine = self._service, self._engine
        if service is None or engine is None or not engine.ready:
            return CompletionResult(reason=reasons.NOT_READY)
        return await service.complete(
            snapshot, request_id=request_id, trigger=trigger, typed=typed
        )

    def prompt_text(self, prompt: Prompt) -> str:
        """Spell a prompt of a result as the model read it, sentinels shown."""
        return self._service.prompt_text(prompt) if self._service else ""

    async def close(self) -> None:
        """End the engine and every process of it. May be called twice."""
        if self._engine is not None:
            await self._engine.close()

    async def _start(self, tell: ReportProgress) -> Engine:
        """Verify the model and start an engine for it, telling how far that has got.

        Raises:
            MidfillError: Why there is no engine.
        """
        kind = self._kind_of_start()
        expected_s = self._expected_s(kind)
        progress = StartProgress(expected_s)
        progress.reach(StartStage.VERIFY)
        telling = asyncio.create_task(_tell_progress(progress, tell))
        try:
            if self._model is None:
                self._model = await asyncio.to_thread(_load_model, self._config)
                self._assemble()
            engine = await self._start_engine(self._config, self._model, progress)
        finally:
            telling.cancel()
        if self._config.engine.kind is EngineKind.VLLM:
            self._times.keep(kind, progress.times_s())
        return engine

    def _kind_of_start(self) -> str:
        """Name what starts alike: what was loaded once is there the next time."""
        config = self._config
        again = "first" if self._model is None else "again"
        return f"{config.model.path} {config.engine.device.value} {again}"

    def _expected_s(self, kind: str) -> Mapping[StartStage, float]:
        """What the stages of a start will take, in seconds."""
        if self._config.engine.kind is EngineKind.VLLM:
            return self._times.of(kind)
        delay_s = self._config.scripted.start_delay_ms / 1e3
        return {
            stage: delay_s if stage is StartStage.WEIGHTS else 0.1
            for stage in StartStage
        }

    def _named(self, news: EngineNews) -> EngineNews:
        """Add the model's name to the news of a ready engine."""
        if news.state is not EngineState.READY or self._model is None:
            return news
        return replace(news, model=self._model.folder.name)

    def _assemble(self) -> None:
        """Put the service together from the model, the engine and the settings."""
        if self._model is None or self._engine is None:
            return
        self._service = service_of(self._model, self._engine, self._config)


def service_of(model: LoadedModel, engine: Engine, config: Config) -> CompletionService:
    """Put the service together from a model, its engine and the settings.

    Raises:
        UnsupportedModelError: The model's tokenizer does not fit its family.
    """
    tokenizer = model.tokenizer
    return CompletionService(
        engine=engine,
        tokenizer=tokenizer,
        prompts=PromptBuilder(
            tokenizer=tokenizer,
            family=model.family,
            config=config.prompt,
            max_model_len=config.engine.max_model_len or model.manifest.context_length,
            windows=LineWindows(
                encode=tokenizer.encode,
                encode_ahead=tokenizer.encode_ahead,
                step_lines=config.prompt.step_lines,
            ),
        ),
        config=config.completion,
    )


def starter_of(kind: EngineKind) -> EngineStarter:
    """Return what starts an engine of this kind."""
    return _start_vllm if kind is EngineKind.VLLM else _start_scripted


def _load_model(config: Config) -> LoadedModel:
    """Load everything but the weights; takes seconds where torch is not loaded yet."""
    device = Device.CPU
    if config.engine.kind is EngineKind.VLLM:
        device = choose_device(config.engine.device)
    pulled = pulled_models_folder(config.registry.folder)
    return load_model(config.model.path, device, pulled=pulled)


async def _tell_progress(progress: StartProgress, tell: ReportProgress) -> None:
    """Report the progress of a start, for as long as it lasts."""
    while True:
        tell(progress.percent, _STAGE_TEXTS[progress.stage])
        await asyncio.sleep(_TELL_INTERVAL_S)


async def _start_vllm(
    config: Config, model: LoadedModel, progress: StartProgress
) -> Engine:
    quantisation = model.manifest.quantisation
    return await VllmEngine.start(
        config.engine,
        model_folder=model.folder,
        context_length=model.manifest.context_length,
        quantization=quantisation.method if quantisation else "",
        on_stage=progress.reach,
    )


async def _start_scripted(
    config: Config, model: LoadedModel, progress: StartProgress
) -> Engine:
    progress.reach(StartStage.WEIGHTS)
    return await ScriptedEngine.start(
        Script(
            answer_ids=model.tokenizer.encode(config.scripted.text),
            further_ids=tuple(
                model.tokenizer.encode(text)
                for text in config.scripted.candidates.split(_BETWEEN_TEXTS)
                if text
            ),
            token_delay_ms=config.scripted.token_delay_ms,
            start_delay_ms=config.scripted.start_delay_ms,
            die_after_requests=config.scripted.die_after_requests,
            max_model_len=config.engine.max_model_len or model.manifest.context_length,
        )
    )
