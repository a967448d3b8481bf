"""All checks in their order: the cheap ones first, the engine last."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lsp_server.config import Config, Device, EngineKind
from lsp_server.doctor.configuration import check_offered, check_settings
from lsp_server.doctor.cpu import check_cpu, cpu_flags
from lsp_server.doctor.driver import check_driver, driver_cuda
from lsp_server.doctor.finding import Finding, Level
from lsp_server.doctor.generation import check_generation
from lsp_server.doctor.gpu import check_gpu
from lsp_server.doctor.interpreter import check_python
from lsp_server.doctor.model_files import check_model, try_model
from lsp_server.doctor.torch_build import check_torch
from lsp_server.doctor.torch_facts import ask_torch
from lsp_server.doctor.torch_installs import check_torch_installs, find_torch_installs
from lsp_server.doctor.vllm_build import (
    build_device,
    check_kernels,
    check_vllm,
    installed_vllm,
    plugin_is_loaded,
)
from lsp_server.errors import ConfigError, ModelError
from lsp_server.modelstore.locate import pulled_models_folder
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.service.local_backend import starter_of

__all__ = ["examine"]


def examine(config: Config, problems: Sequence[ConfigError]) -> Iterator[Finding]:
    """Run every check, yielding each finding as soon as it is there.

    Args:
        config: The settings, as a server would have them.
        problems: What reading the settings complained of.
    """
    device = _device(config)
    yield check_python(sys.version_info[:3])
    yield from check_settings(problems)
    yield check_offered(config.completion)
    failed = False
    machine = _scripted() if _is_scripted(config) else _machine(config, device)
    for finding in machine:
        failed |= finding.level is Level.FAILURE
        yield finding
    pulled = pulled_models_folder(config.registry.folder, os.environ)
    model = try_model(config.model.path, device, pulled=pulled)
    yield check_model(model)
    yield _generation(config, model, failed=failed)


def _device(config: Config) -> Device:
    """The device that is asked for, or the one that the installed vLLM is built for."""
    if config.engine.device is not Device.AUTO:
        return config.engine.device
    return build_device(installed_vllm())


def _is_scripted(config: Config) -> bool:
    return config.engine.kind is EngineKind.SCRIPTED


def _scripted() -> Iterator[Finding]:
    yield Finding(
        name="engine",
        level=Level.WARNING,
        what="the scripted engine answers, so PyTorch, vLLM and GPU are not looked at",
        remedy="set engine.kind to vllm",
    )


def _machine(config: Config, device: Device) -> Iterator[Finding]:
    yield check_cpu(cpu_flags(_text_of(Path("/proc/cpuinfo"))), device)
    yield check_torch_installs(
        find_torch_installs(Path(sys.prefix), [Path(p) for p in sys.path if p])
    )
    facts = ask_torch(device)
    yield check_torch(facts, device)
    yield check_driver(driver_cuda(), facts, device)
    yield check_gpu(facts, config.engine, device)
    yield check_vllm(installed_vllm(), device)
    yield check_kernels(facts, device, has_plugin=plugin_is_loaded(os.environ))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _generation(
    config: Config, model: LoadedModel | ModelError, *, failed: bool
) -> Finding:
    if failed or isinstance(model, ModelError):
        return Finding(
            name="generation",
            level=Level.FAILURE,
            what="not tried, since it would fail for the reasons above",
            remedy="mend the failures above, and run midfill doctor again",
        )
    # Whether completions are offered has been told; here it is whether they work.
    offered = replace(config.completion, enabled=True, disabled_languages="")
    config = replace(config, completion=offered)
    return check_generation(config, model, starter_of(config.engine.kind))
