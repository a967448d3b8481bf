"""Compares the engine that a connection asks for with the one that runs."""

import dataclasses
import functools
from collections.abc import Collection
from pathlib import Path

from lsp_server.config import Config, Device, EngineKind
from lsp_server.engine.vllm_build import build_device, installed_vllm
from lsp_server.errors import ConfigError, ModelError, ModelNotFoundError
from lsp_server.modelstore.locate import locate, pulled_models_folder
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.model_files import as_json
from lsp_server.modelstore.verify import require_digest
from lsp_server.service.engine_host import ENGINE_SECTIONS, EngineHost
from lsp_server.service.loaded_model import where_it_is_now

__all__ = [
    "Setting",
    "demands",
    "differences",
    "missing_model",
    "no_model_refusal",
    "refusal",
    "unmet",
]

Setting = tuple[str, str]
"""A section and a key."""

_MOST_SHOWN = 3
"""A refusal lists no more settings than these."""


_WAYS_OUT = (
    "Close the other windows and restart the server here, or start the daemon with "
    "these settings, or raise daemon.max_engines"
)
_PIN: Setting = ("model", "sha256")


def differences(
    wanted: Config, host: EngineHost, stated: Collection[Setting] | None
) -> list[Setting]:
    """Return the stated settings with which an engine does not run."""
    running = host.config
    found: list[Setting] = []
    for section in ENGINE_SECTIONS:
        if section == "scripted" and running.engine.kind is not EngineKind.SCRIPTED:
            continue
        for entry in dataclasses.fields(getattr(wanted, section)):
            setting = (section, entry.name)
            if stated is not None and setting not in stated:
                continue
            if setting == _PIN:
                differs = not _holds(host, wanted.model.sha256)
            else:
                differs = _effect(wanted, setting) != _effect(running, setting)
            if differs:
                found.append(setting)
    return found


def demands(wanted: Config, settings: Collection[Setting]) -> list[Setting]:
    """Return those of some settings that say which model may answer at all.

    An engine that does not meet them is not to be shared, whoever uses it.
    """
    signed = wanted.models.require_signature
    return [
        setting
        for setting in settings
        if setting == _PIN or (setting[0] == "models" and signed)
    ]


def _holds(host: EngineHost, sha256: str) -> bool:
    """Return whether a host has the model of this digest; any is, where there is none.

    One that is still to be read counts by what stands in its folder.
    """
    if not sha256 or sha256.lower() == host.config.model.sha256.lower():
        return True
    try:
        folder = _model_folder(host.config)
        if host.model is not None:
            folder = where_it_is_now(host.model).folder
        require_digest(Path(folder), sha256)
    except ModelError:
        return False
    return True


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
    return (
        "Midfill: others use the running engine, so this window shares it with its "
        f"settings: {_listed(wanted, running, settings)}. {_WAYS_OUT}."
    )


def unmet(
    wanted: Config, running: Config, settings: Collection[Setting]
) -> ConfigError:
    """Return the error of a window that may not share the engine that others use.

    Args:
        wanted: What it asks for.
        running: What the engine runs with.
        settings: The `demands` that the engine does not meet.
    """
    return ConfigError(
        "others use the running engine, and these settings allow no other model: "
        f"{_listed(wanted, running, settings)}",
        subject="model",
        remedy=_WAYS_OUT,
    )


def _listed(wanted: Config, running: Config, settings: Collection[Setting]) -> str:
    """Return a text that names settings, each as the engine has it and as wanted."""

    def value(config: Config, setting: Setting) -> str:
        held: object = getattr(getattr(config, setting[0]), setting[1])
        return as_json(getattr(held, "value", held))

    listed = [
        f"{'.'.join(each)} is {value(running, each)}, not {value(wanted, each)}"
        for each in list(settings)[:_MOST_SHOWN]
    ]
    more = len(settings) - len(listed)
    return "; ".join(listed + ([f"{more} more settings differ"] if more else []))
