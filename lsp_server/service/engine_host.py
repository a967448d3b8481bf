"""One loaded model and its engine, which any number of connections share.

A connection attaches to receive the engine's news, and detaches when it ends; the host
lives on. Loading happens in the background: `EngineHost.begin` returns at once.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from lsp_server.config import Config, Device, EngineKind
from lsp_server.engine.base import Engine, ReportProgress
from lsp_server.engine.hang_watch import RestartPolicy
from lsp_server.engine.start_progress import StartProgress, StartTimes
from lsp_server.engine.supervisor import EngineSupervisor
from lsp_server.engine.vllm_build import choose_device
from lsp_server.engine_values import EngineNews, EngineState, StartStage
from lsp_server.metrics import Metrics, NoMetrics
from lsp_server.modelstore.locate import pulled_models_folder
from lsp_server.modelstore.signature import Trust
from lsp_server.operating_system import user_folder
from lsp_server.outcomes import OverloadStep
from lsp_server.service.admission import Admission
from lsp_server.service.backend import EngineListener
from lsp_server.service.engine_start import EngineStarter, admission_of
from lsp_server.service.gate import Elsewhere
from lsp_server.service.loaded_model import LoadedModel, load_model, where_it_is_now

__all__ = ["ENGINE_SECTIONS", "Detach", "EngineHost", "LoadModel", "on_engine"]

_log = logging.getLogger(__name__)

ENGINE_SECTIONS = ("model", "models", "engine", "scripted")
"""The sections of the settings that an engine is started with."""

LoadModel = Callable[[Config], LoadedModel]
"""Loads the model of the settings, but for its weights; takes seconds."""

Detach = Callable[[], None]
"""Ends the news to one listener; may be called twice."""

_PROGRESS_INTERVAL_S = 0.25

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


class EngineHost:
    """One model and its supervised engine; needs a running event loop.

    Args:
        config: The settings; those of `ENGINE_SECTIONS` and ``admission``, and the
            folder of pulled models, are what the host runs with.
        start_engine: Starts an engine for a model; `starter_of` returns the usual one.
        metrics: Takes what is measured of the host and of its users' requests.
        load: Loads the model, but for its weights; None loads it for this machine.
        elsewhere: What other processes ask of the same engine; None for nothing.
    """

    def __init__(
        self,
        config: Config,
        start_engine: EngineStarter,
        *,
        metrics: Metrics | None = None,
        load: LoadModel | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """Prepare; ``begin`` loads."""
        self._config = config
        self._metrics = metrics or NoMetrics()
        self._start_engine = start_engine
        self._load = load or _load_model
        self._is_here = load is None
        self._model: LoadedModel | None = None
        self._listeners: dict[object, EngineListener] = {}
        self._news = EngineNews(
            state=EngineState.STARTING, what="the engine was not started yet"
        )
        self._counted: tuple[EngineState, int] | None = None
        self._supervisor = EngineSupervisor(
            self._start,
            listener=self._changed,
            policy=RestartPolicy.from_config(config.engine),
        )
        self._admission = Admission(
            self._supervisor,
            admission_of(config),
            running_limit=config.engine.max_num_seqs,
            model=lambda: self.model_name,
            metrics=self._metrics,
            elsewhere=elsewhere,
        )
        self._admission.watch(self._overload_changed)
        cache = user_folder("cache")
        self._times = StartTimes(cache / "start-times.json" if cache else None)

    @property
    def config(self) -> Config:
        """The settings that the host was made with."""
        return self._config

    @property
    def metrics(self) -> Metrics:
        """Takes what is measured of the host and of its users' requests."""
        return self._metrics

    @property
    def model(self) -> LoadedModel | None:
        """The model; None until it was read and verified."""
        return self._model

    @property
    def model_name(self) -> str:
        """The name of the model, for people and metrics."""
        if self._model is not None:
            return self._model.folder.name
        return Path(self._config.model.path).name

    @property
    def engine(self) -> Admission:
        """The engine, across its restarts, with its queue.

        While there is none, ``info`` and ``generate`` raise `EngineDeadError`.
        """
        return self._admission

    @property
    def ready(self) -> bool:
        """Whether there is an engine that takes requests; false from a drain on."""
        return self._supervisor.ready and not self._admission.draining

    @property
    def news(self) -> EngineNews:
        """The latest news of the engine."""
        return self._news

    def begin(self) -> None:
        """Begin to load in the background; a second call does nothing."""
        self._supervisor.begin()

    def restart(self) -> None:
        """Start the engine again at once, also one that was given up."""
        self._supervisor.restart()

    def attach(self, listener: EngineListener) -> Detach:
        """Send a listener the latest news at once, and all further news.

        Returns:
            Detaches the listener, which gets nothing any more; may be called twice.
        """
        key = object()
        self._listeners[key] = listener

        def detach() -> None:
            self._listeners.pop(key, None)

        _send(listener, lambda each: each.engine_changed(self._news))
        if self._admission.step > OverloadStep.NORMAL:
            _send(listener, lambda each: each.overload_changed(self._admission.step))
        return detach

    async def drain(self, limit_s: float) -> int:
        """Take no new requests, and wait for those there are, at most so long.

        Returns:
            How many did not end by themselves, and were aborted.
        """
        return await self._admission.drain(limit_s)

    async def close(self) -> None:
        """End the engine and every process of it. May be called twice."""
        await self._admission.close()

    def _changed(self, news: EngineNews) -> None:
        """Send news of the engine to every listener, with the name of its model."""
        if news.state is EngineState.READY:
            news = dataclasses.replace(news, model=self.model_name)
        self._news = news
        if self._counted != (news.state, news.restarts):
            self._counted = news.state, news.restarts
            self._metrics.engine_changed(self.model_name, news.state)
        self._send_all(lambda each: each.engine_changed(news))

    def _overload_changed(self, step: OverloadStep) -> None:
        """Send how far the load is being shed to every listener."""
        self._send_all(lambda each: each.overload_changed(step))

    def _send_all(self, send: Callable[[EngineListener], None]) -> None:
        for key, listener in list(self._listeners.items()):
            if key in self._listeners:
                _send(listener, send)

    async def _start(self, report: ReportProgress) -> Engine:
        """Verify the model and start an engine for it, reporting how far that is.

        Raises:
            MidfillError: Why there is no engine.
        """
        kind = self._kind_of_start()
        progress = StartProgress(self._expected_s(kind))
        progress.reach(StartStage.VERIFY)
        reporting = asyncio.create_task(_report_progress(progress, report))
        try:
            if self._model is None:
                self._model = await asyncio.to_thread(self._load, self._config)
            model = self._model
            if self._is_here:
                model = await asyncio.to_thread(where_it_is_now, model)
            engine = await self._start_engine(self._config, model, progress)
        finally:
            reporting.cancel()
        if self._is_here and self._config.engine.kind is EngineKind.VLLM:
            self._times.keep(kind, progress.times_s())
        return engine

    def _kind_of_start(self) -> str:
        """Name what starts alike: what was loaded once is there the next time."""
        config = self._config
        again = "first" if self._model is None else "again"
        return f"{config.model.path} {config.engine.device.value} {again}"

    def _expected_s(self, kind: str) -> Mapping[StartStage, float]:
        """Return how long the stages of a start will take, in seconds."""
        if self._config.engine.kind is EngineKind.VLLM:
            return self._times.of(kind)
        delay_s = self._config.scripted.start_delay_ms / 1e3
        return {
            stage: delay_s if stage is StartStage.WEIGHTS else 0.1
            for stage in StartStage
        }


def on_engine(wanted: Config, running: Config) -> Config:
    """Return the settings that hold on an engine which runs with other ones.

    Args:
        wanted: What is asked for.
        running: What the engine runs with; its `ENGINE_SECTIONS` hold.
    """
    held = {section: getattr(running, section) for section in ENGINE_SECTIONS}
    return dataclasses.replace(wanted, **held)


def _send(listener: EngineListener, send: Callable[[EngineListener], None]) -> None:
    """Send news to one listener; its failure costs neither engine nor the others."""
    try:
        send(listener)
    except Exception:  # noqa: BLE001 - a connection must not bring down the shared engine
        _log.exception("engine.listener_failed")


def _load_model(config: Config) -> LoadedModel:
    """Load everything but the weights; takes seconds where torch is not loaded yet."""
    device = Device.CPU
    if config.engine.kind is EngineKind.VLLM:
        device = choose_device(config.engine.device)
    return load_model(
        config.model.path,
        device,
        pulled=pulled_models_folder(config.registry.folder),
        sha256=config.model.sha256,
        trust=Trust.of(config.models),
    )


async def _report_progress(progress: StartProgress, report: ReportProgress) -> None:
    """Report the progress of a start, for as long as it lasts."""
    while True:
        report(progress.percent, _STAGE_TEXTS[progress.stage])
        await asyncio.sleep(_PROGRESS_INTERVAL_S)
