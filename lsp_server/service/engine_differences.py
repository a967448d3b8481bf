"""Compares the engine that a connection asks for with the one that runs."""

import dataclasses
import functools
from collections.abc import Collection
from pathlib import Path

from lsp_server.config import Config, Device, EngineKind
from lsp_server.engine.vllm_build import build_device, installed_vllm
from lsp_server.errors import ModelError, ModelNotFoundError
from lsp_server.modelstore.locate import locate, pulled_models_folder
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.model_files import as_json
from lsp_server.service.engine_host import ENGINE_SECTIONS

__all__ = ["Setting", "differences", "missing_model", "no_model_refusal", "refusal"]

Setting = tuple[str, str]
"""A section and a key."""

_MOST_SHOWN = 3
"""A refusal lists no more settings than these."""


def differences(
    wanted: Config, running: Config, stated: Collection[Setting] | None
) -> list[Setting]:
    """Return the stated settings with which an engine does not run."""
    found: list[Setting] = []
    for section in ENGINE_SECTIONS:
        if section == "scripted" and running.engine.kind is not EngineKind.SCRIPTED:
            continue
        for entry in dataclasses.fields(getattr(wanted, section)):
            setting = (section, entry.name)
            if stated is not None and setting not in stated:
                continue
            if _effect(wanted, setting) != _effect(running, setting):
                found.append(setting)
    return found


def _effect(config: Config, setting: Setting) -> object:
    """Return what a setting comes to: names and ``auto`` are resolved."""
    value: object = getattr(getattr(config, setting[0]), setting[1])
    if setting == ("model", "path"):
        return _model_folder(config)
    return _device_of_build() if value is Device.AUTO else value


@functools.cache
def _device_of_build() -> Device:
    """Return the installed vLLM's device; every connection asks, and reads no files."""
    return build_device(installed_vllm())


def _model_folder(config: Config) -> Path | str:
    """Return the folder of the configured model; its name where there is none."""
    pulled = pulled_models_folder(config.registry.folder)
    try:
        return locate(config.model.path, pulled=pulled)
    except ModelNotFoundError:
        return config.model.path


def missing_model(config: Config) -> ModelError | None:
    """Return why the configured model cannot even be found; None if it is there."""
    try:
        load_manifest(
            locate(
                config.model.path, pulled=pulled_models_folder(config.registry.folder)
            )
        )
    except ModelError as error:
        return error
    return None


def no_model_refusal(model: str, error: ModelError) -> str:
    """Return the sentence that says why an engine runs another model.

    Args:
        model: The name of the model that it runs.
        error: Why the one that was asked for cannot be used.
    """
    return (
        f"Midfill: this window shares the running engine, with its model "
        f"{model}, because the model that it asks for cannot be used: {error}"
    )


def refusal(wanted: Config, running: Config, settings: Collection[Setting]) -> str:
    """Return the sentence that names the settings an engine does not run with."""

    def value(config: Config, setting: Setting) -> str:
        held: object = getattr(getattr(config, setting[0]), setting[1])
        return as_json(getattr(held, "value", held))

    listed = [
        f"{'.'.join(each)} is {value(running, each)}, not {value(wanted, each)}"
        for each in list(settings)[:_MOST_SHOWN]
    ]
    more = len(settings) - len(listed)
    listed += [f"{more} more settings differ"] if more else []
    return (
        "Midfill: other windows use the running engine, so this one shares it with its "
        f"settings: {'; '.join(listed)}. Close the other windows and restart the "
        "server here, or raise daemon.max_engines."
    )
