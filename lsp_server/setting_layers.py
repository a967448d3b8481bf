"""Reads settings from each place that may have some: file, environment, editor.

A layer holds raw values, as TOML, a variable or JSON gives them; `settings` checks
them.
"""

import dataclasses
import datetime
import difflib
import enum
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from lsp_server.config import Config
from lsp_server.errors import ConfigError
from lsp_server.raw_settings import (
    VARIABLE_PREFIX,
    config_path,
    editor_values,
    snake_case,
    toml_values,
    without_dots,
)

__all__ = [
    "SECTIONS",
    "Layer",
    "changed_layer",
    "editor_layer",
    "environment_layer",
    "file_layer",
    "server_layers",
    "shown",
    "spelt",
    "unknown_setting",
    "without_nulls_of",
]

SECTIONS = frozenset(field.name for field in dataclasses.fields(Config))

_EDITOR = "editor"
_ENVIRONMENT = "environment"
_NOT_SETTINGS = (
    "MIDFILL_API_KEY",
    "MIDFILL_CONFIG",
    "MIDFILL_KEYS",
    "MIDFILL_VSCODE_",
)
_SHORT_NAMES = {"MIDFILL_DEVICE": ("engine", "device")}

_OF_THE_CLIENT = frozenset({"enable", "languages", "server", "hint", "trace"})
"""Settings of editor extensions, which send all that is called ``midfill``."""

_OF_THE_OWNER = frozenset({"models"})
"""Sections that say whom the machine's owner trusts."""

_SHOWN_CHARS = 60
_TOO_LARGE = "a value too large to show"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Settings from one place.

    Attributes:
        place: Where they stand, for people: a file's path, ``environment``, ``editor``.
        values: Section to key to raw value, all in snake case.
        problems: What could not even be read.
        short: Settings that stand there by a short name, such as ``engine.device``, and
            that name.
    """

    place: str
    values: Mapping[str, object]
    problems: tuple[ConfigError, ...] = ()
    short: Mapping[str, str] = field(default_factory=dict)

    def spelt(self, name: str) -> str:
        """Return the name of a setting as it stands in this place."""
        return self.short.get(name) or spelt(name, self.place)


def server_layers(config_file: Path | None, model: str | None = None) -> list[Layer]:
    """Return the layers below an editor: file, environment, command line.

    Args:
        config_file: The file that the command line names.
        model: The model that the command line names.
    """
    path = config_file or config_path()
    files = [file_layer(path)] if path else []
    named = [Layer(place="--model", values={"model": {"path": model}})] if model else []
    return [*files, environment_layer(os.environ), *named]


def file_layer(path: Path) -> Layer:
    """Read a TOML file; an unreadable one is an empty layer with a problem."""
    try:
        return Layer(place=str(path), values=toml_values(path))
    except ConfigError as problem:
        return Layer(place=str(path), values={}, problems=(problem,))


def environment_layer(environment: Mapping[str, str]) -> Layer:
    """Read ``MIDFILL_<SECTION>_<KEY>`` variables, and ``MIDFILL_DEVICE`` for short.

    Values are read as TOML where they are TOML (``true``, ``12``), else as text.
    """
    values: dict[str, dict[str, object]] = {}
    short: dict[str, str] = {}
    problems: list[ConfigError] = []
    for name, text in sorted(environment.items()):
        if not name.startswith(VARIABLE_PREFIX) or name.startswith(_NOT_SETTINGS):
            continue
        section, _, key = name.removeprefix(VARIABLE_PREFIX).lower().partition("_")
        if name in _SHORT_NAMES:
            section, key = _SHORT_NAMES[name]
            short[f"{section}.{key}"] = name
        else:
            short.pop(f"{section}.{key}", None)
        if section not in SECTIONS:
            problems.append(unknown_setting(name, _ENVIRONMENT, "Sections", SECTIONS))
            continue
        default = getattr(getattr(Config(), section), key, None)
        values.setdefault(section, {})[key] = _value_of(text, default)
    return Layer(
        place=_ENVIRONMENT, values=values, problems=tuple(problems), short=short
    )


def editor_layer(options: object) -> Layer:
    """Read what an editor sent to this server, with or without ``midfill`` around it.

    Keys are in camel case, and may be joined by dots. Null means nothing, and so does
    an empty list, which some editors send for an empty object. What a workspace could
    do harm with is left out.
    """
    options = editor_values(options)
    if options is None or options == []:
        return Layer(place=_EDITOR, values={})
    if not isinstance(options, Mapping):
        problem = ConfigError(
            f"{shown(options)} is not an object of settings",
            subject=_EDITOR,
            remedy='Send an object such as {"completion": {"enabled": true}}',
        )
        return Layer(place=_EDITOR, values={}, problems=(problem,))
    values = {
        section: _snake_keys(entries) if isinstance(entries, Mapping) else entries
        for section, entries in _snake_keys(options).items()
        if section not in _OF_THE_CLIENT and entries is not None and entries != []
    }
    problems = tuple(
        ConfigError(
            f"no editor and no workspace can set {section}",
            subject=_EDITOR,
            remedy="Set it in Midfill's configuration file or environment",
        )
        for section in sorted(_OF_THE_OWNER & values.keys())
    )
    values = {key: each for key, each in values.items() if key not in _OF_THE_OWNER}
    return Layer(place=_EDITOR, values=values, problems=problems)


def changed_layer(settings: object) -> Layer | None:
    """Read the settings of ``workspace/didChangeConfiguration``; None: not for us.

    Editors send one object to every server. Ours is what stands under ``midfill``, or
    an object whose keys are our sections, perhaps misspelt.
    """
    if not isinstance(settings, Mapping):
        return None
    settings = without_dots(settings)
    if "midfill" in settings:
        return None if settings["midfill"] is None else editor_layer(settings)
    ours = {key: value for key, value in settings.items() if _is_section(str(key))}
    return editor_layer(ours) if ours else None


def without_nulls_of(changed: Layer, initial: Layer) -> Layer:
    """Return the initial layer without the settings that the changed one sets to null.

    So a setting that the user deletes goes back to its file, variable or default, even
    if the editor sent it at the start.
    """
    nulls = {
        (section, key)
        for section, entries in changed.values.items()
        if isinstance(entries, Mapping)
        for key, value in entries.items()
        if value is None
    }
    values = {
        section: {
            key: each for key, each in entries.items() if (section, key) not in nulls
        }
        if isinstance(entries, Mapping)
        else entries
        for section, entries in initial.values.items()
    }
    return dataclasses.replace(initial, values=values)


def shown(value: object) -> str:
    """Return a value as its file or editor spells it, cut where it is long."""
    if isinstance(value, enum.Enum):
        value = value.value
    try:
        text = json.dumps(value, ensure_ascii=False, default=_without_json)
    # Python limits the digits of a number, and how deep a value may be nested.
    except (ValueError, RecursionError):
        return _TOO_LARGE
    # Half a surrogate pair, as an undecodable byte of a variable is, cannot be sent.
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "..."


def spelt(name: str, place: str) -> str:
    """Return a name, such as ``engine.max_num_seqs``, as its place writes it."""
    if place == _ENVIRONMENT:
        return VARIABLE_PREFIX + name.replace(".", "_").upper()
    if place == _EDITOR:
        first, *rest = name.split("_")
        return "".join([first, *(word.capitalize() for word in rest)])
    return name


def unknown_setting(
    name: str, place: str, kind: str, known: Iterable[str]
) -> ConfigError:
    """Make the problem for a name that does not exist.

    Args:
        name: The name, spelt as in its place.
        place: Where it stands.
        kind: What ``known`` are, in the plural.
        known: The names that there are, spelt likewise.
    """
    listed = sorted(known)
    # What all have in front, the section, would make every name look like every other.
    columns = zip(name, *listed, strict=False)
    shared = sum(1 for _ in takewhile(lambda chars: len(set(chars)) == 1, columns))
    near = difflib.get_close_matches(name[shared:], [each[shared:] for each in listed])
    meant = f"Did you mean {name[:shared]}{near[0]}? " if near else ""
    return ConfigError(
        f"there is no setting {shown(name)[1:-1]}",
        subject=place,
        remedy=f"{meant}{kind} there: {', '.join(listed)}",
    )


def _value_of(text: str, default: object) -> object:
    """Read a variable as TOML would, else take the text as it stands."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    value = table["value"]
    # A model may be called 2026, and a text have several lines.
    is_text = isinstance(default, str) and not isinstance(value, str)
    return text if is_text or len(table) > 1 else value


def _without_json(value: object) -> str:
    """Spell what TOML has and JSON has not: dates and times."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return type(value).__name__


def _is_section(key: str) -> bool:
    """Return whether a key is one of our sections, or nearly."""
    return bool(difflib.get_close_matches(snake_case(key), SECTIONS, n=1, cutoff=0.8))


def _snake_keys(values: Mapping[str, object]) -> dict[str, object]:
    """Turn keys in camel case into snake case, one level deep."""
    return {snake_case(str(key)): value for key, value in values.items()}
