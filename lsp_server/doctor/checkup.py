"""Runs all checks in their order: the cheap ones first, the engine last."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lsp_server.config import CompletionConfig, Config, Device, EngineKind
from lsp_server.doctor.findings import Finding, Level, failure, ok, warning
from lsp_server.doctor.machine import (
    check_cpu,
    check_driver,
    check_gpu,
    check_kernels,
    check_python,
    check_vllm,
    plugin_is_loaded,
)
from lsp_server.doctor.model import check_generation, check_model, try_model
from lsp_server.doctor.torch import (
    ask_torch,
    check_torch,
    check_torch_installs,
    find_torch_installs,
)
from lsp_server.engine.vllm_build import build_device, installed_vllm
from lsp_server.errors import ConfigError, ModelError
from lsp_server.hardware import driver_cuda, read_cpu
from lsp_server.modelstore.locate import pulled_models_folder
from lsp_server.modelstore.signature import Trust
from lsp_server.raw_settings import DaemonMode
from lsp_server.service.engine_start import starter_of
from lsp_server.service.loaded_model import LoadedModel

__all__ = ["check_offered", "check_settings", "examine"]


def examine(config: Config, problems: Sequence[ConfigError]) -> Iterator[Finding]:
    """Run every check, yielding each finding as soon as it is there.

    Where a team server completes, it is asked in place of this machine.

    Args:
        config: The settings, as a server would have them.
        problems: What was wrong with the settings.
    """
    device = _device(config)
    yield check_python(sys.version_info[:3])
    yield from check_settings(problems)
    yield check_offered(config.completion)
    if config.daemon.url and config.daemon.mode is not DaemonMode.NEVER:
        from lsp_server.doctor.team import check_team_server  # noqa: PLC0415 - a tenth of a second that others do without

        yield check_team_server(config.daemon)
        return
    failed = False
    machine = _scripted() if _is_scripted(config) else _machine(config, device)
    for finding in machine:
        failed |= finding.level is Level.FAILURE
        yield finding
    pulled = pulled_models_folder(config.registry.folder)
    model = try_model(
        config.model, device, pulled=pulled, trust=Trust.of(config.models)
    )
    yield check_model(model)
    yield _generation(config, model, failed=failed)


def check_settings(problems: Sequence[ConfigError]) -> Iterator[Finding]:
    """Report each problem with the settings; one finding that all is well if none."""
    if not problems:
        yield ok("settings", "all were understood")
    for problem in problems:
        yield warning(
            "settings",
            f"{problem.subject}: {problem.what}",
            problem.remedy[:1].lower() + problem.remedy[1:],
        )


def check_offered(config: CompletionConfig) -> Finding:
    """Check that the settings offer completions at all."""
    name = "completions"
    if not config.enabled:
        return failure(name, "switched off", "set completion.enabled to true")
    if languages := config.disabled_languages.split():
        return warning(
            name,
            f"switched off for {', '.join(languages)}",
            "leave a language out of completion.disabled_languages to have them",
        )
    return ok(name, "offered in every language")


def _device(config: Config) -> Device:
    """Return the device asked for, or the one that the installed vLLM is built for."""
    if config.engine.device is not Device.AUTO:
        return config.engine.device
    return build_device(installed_vllm())


def _is_scripted(config: Config) -> bool:
    return config.engine.kind is EngineKind.SCRIPTED


def _scripted() -> Iterator[Finding]:
    yield warning(
        "engine",
        "the scripted engine answers, so PyTorch, vLLM and GPU are not looked at",
        "set engine.kind to vllm",
    )


def _machine(config: Config, device: Device) -> Iterator[Finding]:
    yield check_cpu(read_cpu().flags, device)
    yield check_torch_installs(
        find_torch_installs(Path(sys.prefix), [Path(p) for p in sys.path if p])
    )
    facts = ask_torch(device)
    yield check_torch(facts, device)
    yield check_driver(driver_cuda(), facts, device)
    yield check_gpu(facts, config.engine, device)
    yield check_vllm(installed_vllm(), device)
    yield check_kernels(facts, device, has_plugin=plugin_is_loaded(os.environ))


def _generation(
    config: Config, model: LoadedModel | ModelError, *, failed: bool
) -> Finding:
    if failed or isinstance(model, ModelError):
        return failure(
            "generation",
            "not tried, since it would fail for the reasons above",
            "mend the failures above, and run midfill doctor again",
        )
    # `check_offered` has reported whether they are offered; here they must work.
    offered = replace(config.completion, enabled=True, disabled_languages="")
    config = replace(config, completion=offered)
    return check_generation(config, model, starter_of(config.engine.kind))
