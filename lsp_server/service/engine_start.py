"""How an engine of each kind is started for a model that was loaded."""

from collections.abc import Awaitable, Callable
from functools import partial

from lsp_server.config import Config, EngineKind
from lsp_server.engine.base import Engine
from lsp_server.engine.engine_speed import H200_7B
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.engine.vllm_stats import VllmMetrics
from lsp_server.engine_values import StartStage
from lsp_server.service.loaded_model import LoadedModel

__all__ = ["EngineStarter", "starter_of"]

EngineStarter = Callable[[Config, LoadedModel, StartProgress], Awaitable[Engine]]
"""Starts an engine for a model, and reports the stages of the start."""

_BETWEEN_TEXTS = "\x1e"
"""Stands between the texts of the setting ``scripted.candidates``."""


def starter_of(kind: EngineKind, *, stats: VllmMetrics | None = None) -> EngineStarter:
    """Return what starts an engine of this kind.

    Args:
        kind: The kind.
        stats: Takes vLLM's own metrics; without it vLLM keeps none.
    """
    if kind is EngineKind.VLLM:
        return partial(_start_vllm, stats=stats)
    return _start_scripted


async def _start_vllm(
    config: Config,
    model: LoadedModel,
    progress: StartProgress,
    *,
    stats: VllmMetrics | None,
) -> Engine:
    quantisation = model.manifest.quantisation
    return await VllmEngine.start(
        config.engine,
        model_folder=model.folder,
        context_length=model.manifest.context_length,
        quantization=quantisation.method if quantisation else "",
        on_stage=progress.reach,
        stats=stats,
    )


async def _start_scripted(
    config: Config, model: LoadedModel, progress: StartProgress
) -> Engine:
    progress.reach(StartStage.WEIGHTS)
    slices = config.scripted.gpu_slices
    return await ScriptedEngine.start(
        Script(
            answer_ids=model.tokenizer.encode(config.scripted.text),
            further_ids=tuple(
                model.tokenizer.encode(text)
                for text in config.scripted.candidates.split(_BETWEEN_TEXTS)
                if text
            ),
            token_delay_ms=config.scripted.token_delay_ms,
            speed=H200_7B.slice(slices) if slices else None,
            start_delay_ms=config.scripted.start_delay_ms,
            die_after_requests=config.scripted.die_after_requests,
            max_model_len=config.engine.max_model_len or model.manifest.context_length,
        )
    )
