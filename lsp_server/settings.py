"""Reads the configuration from its layers, the later over the earlier.

The layers are, in this order: defaults, a TOML file, environment variables, and
what the editor sends. A setting that is unknown or wrong is left at the value of
the layers below it and becomes a problem: a sentence with the key, the value, the
place and what would be accepted. Nothing here raises for a bad setting.
"""

import contextlib
import dataclasses
import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

from lsp_server.config import Config
from lsp_server.errors import ConfigError
from lsp_server.setting_values import (
    EDITOR,
    ENVIRONMENT,
    PREFIX,
    convert,
    shown,
    snake,
    snake_keys,
    spelt,
    without_dots,
)

__all__ = [
    "Layer",
    "Resolved",
    "changed_layer",
    "config_path",
    "editor_layer",
    "environment_layer",
    "file_layer",
    "resolve",
]

_NOT_SETTINGS = ("MIDFILL_CONFIG", "MIDFILL_VSCODE_")
_SHORT_NAMES = {"MIDFILL_DEVICE": ("engine", "device")}

_MOST_FILE_BYTES = 1 << 20

_SECTIONS = frozenset(field.name for field in dataclasses.fields(Config))

_OF_THE_CLIENT = frozenset({"enable", "languages", "server", "hint", "trace"})
"""Settings of editor extensions, which send all that is called ``midfill``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Settings from one place.

    Attributes:
        place: Where they stand, for people: a file's path, ``environment``, ``editor``.
        values: Section to key to raw value, all in snake case.
        problems: What could not even be read.
    """

    place: str
    values: Mapping[str, object]
    problems: tuple[ConfigError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A configuration that can be used, and what was wrong on the way to it."""

    config: Config
    problems: tuple[ConfigError, ...]


def config_path(environment: Mapping[str, str]) -> Path | None:
    """Find the user's TOML file: ``MIDFILL_CONFIG``, else the XDG folder's, else none.

    A file that ``MIDFILL_CONFIG`` names is returned even if it does not exist, and so
    is one in a folder that may not be read: reading it tells the user.
    """
    named = environment.get("MIDFILL_CONFIG")
    if named:
        return Path(named)
    folder = environment.get("XDG_CONFIG_HOME", "")
    try:
        # The specification has a relative path ignored.
        if not Path(folder).is_absolute():
            home = environment.get("HOME") or "~"
            folder = str(Path(home).expanduser() / ".config")
    # Neither a variable nor an entry for this user.
    except RuntimeError:
        return None
    default = Path(folder) / "midfill" / "config.toml"
    try:
        return default if default.is_file() else None
    except OSError:
        return default


def file_layer(path: Path) -> Layer:
    """Read a TOML file; an unreadable one is an empty layer with a problem."""
    place = str(path)
    correct = "Correct it there; until then the whole file is ignored"
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_FILE_BYTES + 1)
        if len(content) <= _MOST_FILE_BYTES:
            # Editors on Windows begin a file with a byte order mark.
            values = tomllib.loads(content.decode("utf-8-sig"))
            return Layer(place=place, values=values)
        what = f"the configuration file is larger than {_MOST_FILE_BYTES:,} bytes"
    except OSError as error:
        what = f"the configuration file cannot be read ({error.strerror})"
        correct = "Create it or its permissions anew, or name another file"
    except UnicodeDecodeError as error:
        what = f"the configuration file is not UTF-8 (byte {error.start})"
    # A number of thousands of digits is a ValueError, too.
    except ValueError as error:
        what = f"the configuration file is not TOML ({error})"
    except RecursionError:
        what = "the configuration file is nested too deeply"
    problem = ConfigError(what, subject=place, remedy=correct)
    return Layer(place=place, values={}, problems=(problem,))


def environment_layer(environment: Mapping[str, str]) -> Layer:
    """Read ``MIDFILL_<SECTION>_<KEY>`` variables, and ``MIDFILL_DEVICE`` for short.

    Values are read as TOML where they are TOML (``true``, ``12``), else as text.
    """
    values: dict[str, dict[str, object]] = {}
    problems: list[ConfigError] = []
    for name, text in sorted(environment.items()):
        if not name.startswith(PREFIX) or name.startswith(_NOT_SETTINGS):
            continue
        section, _, key = name.removeprefix(PREFIX).lower().partition("_")
        if name in _SHORT_NAMES:
            section, key = _SHORT_NAMES[name]
        if section not in _SECTIONS:
            problems.append(_unknown(name, ENVIRONMENT, "Sections", _SECTIONS))
            continue
        hint = get_type_hints(get_type_hints(Config)[section]).get(key)
        values.setdefault(section, {})[key] = _value_of(text, hint)
    return Layer(place=ENVIRONMENT, values=values, problems=tuple(problems))


def editor_layer(options: object) -> Layer:
    """Read what an editor sent to this server, with or without ``midfill`` around it.

    Keys are in camel case, and may be joined by dots. Null means nothing, and so does
    an empty list, which some editors send for an empty object.
    """
    if options is None or options == []:
        return Layer(place=EDITOR, values={})
    if isinstance(options, Mapping):
        nested = without_dots(options)
        options = nested.get("midfill", nested)
        if options is None or options == []:
            return Layer(place=EDITOR, values={})
    if not isinstance(options, Mapping):
        problem = ConfigError(
            f"{shown(options)} is not an object of settings",
            subject=EDITOR,
            remedy='Send an object such as {"completion": {"enabled": true}}',
        )
        return Layer(place=EDITOR, values={}, problems=(problem,))
    values = {
        section: snake_keys(entries) if isinstance(entries, Mapping) else entries
        for section, entries in snake_keys(without_dots(options)).items()
        if section not in _OF_THE_CLIENT and entries is not None and entries != []
    }
    return Layer(place=EDITOR, values=values)


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


def resolve(layers: Sequence[Layer]) -> Resolved:
    """Lay the layers over the defaults, and collect every problem."""
    config = Config()
    for layer in layers:
        for section, entries in layer.values.items():
            if section in _SECTIONS and isinstance(entries, Mapping):
                good = _good_entries(getattr(config, section), entries)
                changed = dataclasses.replace(getattr(config, section), **good)
                config = dataclasses.replace(config, **{section: changed})
    problems = [
        problem
        for layer in layers
        for problem in (*layer.problems, *_problems(layer, config))
    ]
    return Resolved(config=config, problems=tuple(problems))


def _good_entries(held: object, entries: Mapping[str, object]) -> dict[str, object]:
    """Convert the entries of one section that can be; null is no value."""
    hints = get_type_hints(type(held), include_extras=True)
    good: dict[str, object] = {}
    for key, raw in entries.items():
        if key in hints and raw is not None:
            with contextlib.suppress(ValueError):
                good[key] = convert(hints[key], raw)
    return good


def _problems(layer: Layer, config: Config) -> Iterator[ConfigError]:
    """Say what of a layer is left out, and which value of ``config`` holds instead."""
    for section, entries in layer.values.items():
        name = spelt(section, layer.place)
        if section not in _SECTIONS:
            yield _unknown(name, layer.place, "Sections", _SECTIONS)
        elif not isinstance(entries, Mapping):
            yield _wrong(name, entries, layer.place, "Use a table of settings")
        else:
            yield from _problems_in(section, entries, layer.place, config)


def _problems_in(
    section: str, entries: Mapping[str, object], place: str, config: Config
) -> Iterator[ConfigError]:
    """Say what of one section is left out."""
    held = getattr(config, section)
    hints = get_type_hints(type(held), include_extras=True)
    for key, raw in entries.items():
        name = spelt(f"{section}.{key}", place)
        if key not in hints:
            known = [spelt(f"{section}.{each}", place) for each in hints]
            yield _unknown(name, place, "Settings", known)
        elif raw is not None:
            try:
                convert(hints[key], raw)
            except ValueError as error:
                now = shown(getattr(held, key))
                remedy = f"Use {error}; until then it is {now}"
                yield _wrong(name, raw, place, remedy)


def _value_of(text: str, hint: object) -> object:
    """Read a variable as TOML would, else take the text as it stands."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    value = table["value"]
    # A model may be called 2026, and a text have several lines.
    is_text = hint is str and not isinstance(value, str)
    return text if is_text or len(table) > 1 else value


def _is_section(key: str) -> bool:
    """Tell whether a key is one of our sections, or nearly."""
    return bool(difflib.get_close_matches(snake(key), _SECTIONS, n=1, cutoff=0.8))


def _unknown(name: str, place: str, kind: str, known: Iterable[str]) -> ConfigError:
    """Report a key that does not exist."""
    listed = sorted(known)
    near = difflib.get_close_matches(name, listed, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    return ConfigError(
        f"there is no setting {shown(name)[1:-1]}",
        subject=place,
        remedy=f"{meant}{kind} there: {', '.join(listed)}",
    )


def _wrong(name: str, raw: object, place: str, remedy: str) -> ConfigError:
    """Report a value that does not fit."""
    what = f"{name} = {shown(raw)} is not accepted"
    return ConfigError(what, subject=place, remedy=remedy)
