"""How an engine of each kind is started, and how many requests it is given at once."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from lsp_server.config import AdmissionConfig, Config, Device, EngineKind
from lsp_server.engine.base import Engine
from lsp_server.engine.engine_speed import H200_7B
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine.vllm_build import build_device, installed_vllm
from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.engine.vllm_messages import VllmMetrics
from lsp_server.engine_values import StartStage
from lsp_server.hardware import read_cpu
from lsp_server.service.loaded_model import LoadedModel

__all__ = ["EngineStarter", "admission_of", "starter_of"]

EngineStarter = Callable[[Config, LoadedModel, StartProgress], Awaitable[Engine]]
"""Starts an engine for a model, and reports the stages of the start."""

_RUNNING_PER_CORE = 4

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


def admission_of(config: Config) -> AdmissionConfig:
    """Return the limits of requests to the engine that a configuration starts.

    A CPU does no more work for many than for a few, and each takes longer: on two cores
    the shipped model answered no more a second at twelve side by side than at four. And
    only a GPU gains from requests that begin together.
    """
    admission, limit = config.admission, config.engine.max_num_seqs
    if config.engine.kind is not EngineKind.VLLM:
        is_gpu = bool(config.scripted.gpu_slices)
    else:
        installed = installed_vllm()
        is_gpu = not installed or build_device(installed) is not Device.CPU
        if not is_gpu:
            limit = min(limit, _RUNNING_PER_CORE * read_cpu().usable_cores)
    return replace(
        admission,
        running_limit=admission.running_limit or limit,
        joined_start_ms=admission.joined_start_ms if is_gpu else 0,
    )


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
