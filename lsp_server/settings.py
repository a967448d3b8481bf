"""Reads the configuration from its layers, the later over the earlier.

The layers are, in this order: defaults, a TOML file, environment variables, and
what the editor sends. A setting that is unknown or wrong is left at the value of
the layers below it and becomes a problem: a sentence with the key, the value, the
place and what would be accepted. Nothing here raises for a bad setting.
"""

import dataclasses
import enum
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

from lsp_server.config import Config, Range
from lsp_server.errors import ConfigError

__all__ = [
    "Layer",
    "Resolved",
    "config_path",
    "editor_layer",
    "environment_layer",
    "file_layer",
    "resolve",
]

_PREFIX = "MIDFILL_"
_NOT_SETTINGS = frozenset({"MIDFILL_CONFIG"})
_SHORT_NAMES = {"MIDFILL_DEVICE": ("engine", "device")}


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

    A file that ``MIDFILL_CONFIG`` names is returned even if it does not exist, so
    that reading it tells the user.
    """
    named = environment.get("MIDFILL_CONFIG")
    if named:
        return Path(named)
    home = environment.get("XDG_CONFIG_HOME") or str(
        Path(environment.get("HOME", "~")).expanduser() / ".config"
    )
    default = Path(home) / "midfill" / "config.toml"
    return default if default.is_file() else None


def file_layer(path: Path) -> Layer:
    """Read a TOML file; an unreadable one is an empty layer with a problem."""
    place = str(path)
    try:
        with path.open("rb") as file:
            return Layer(place=place, values=tomllib.load(file))
    except OSError as error:
        problem = ConfigError(
            f"the configuration file cannot be read ({error.strerror})",
            subject=place,
            remedy="Create it, or unset MIDFILL_CONFIG",
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problem = ConfigError(
            f"the configuration file is not TOML ({error})",
            subject=place,
            remedy="Correct it there; until then the file is ignored",
        )
    return Layer(place=place, values={}, problems=(problem,))


def environment_layer(environment: Mapping[str, str]) -> Layer:
    """Read ``MIDFILL_<SECTION>_<KEY>`` variables, and ``MIDFILL_DEVICE`` for short.

    Values are read as TOML where they are TOML (``true``, ``12``), else as text.
    """
    values: dict[str, dict[str, object]] = {}
    problems: list[ConfigError] = []
    sections = {field.name for field in dataclasses.fields(Config)}
    for name, text in sorted(environment.items()):
        if not name.startswith(_PREFIX) or name in _NOT_SETTINGS:
            continue
        section, _, key = name.removeprefix(_PREFIX).lower().partition("_")
        if name in _SHORT_NAMES:
            section, key = _SHORT_NAMES[name]
        if section not in sections:
            problems.append(_unknown(name, text, "environment", sorted(sections)))
            continue
        values.setdefault(section, {})[key] = _toml_value(text)
    return Layer(place="environment", values=values, problems=tuple(problems))


def editor_layer(options: object) -> Layer:
    """Read what an editor sent: camel case, with or without a ``midfill`` around it."""
    if options is None:
        return Layer(place="editor", values={})
    if not isinstance(options, Mapping):
        problem = ConfigError(
            f"{_shown(options)} is not an object of settings",
            subject="editor",
            remedy='Send an object such as {"completion": {"enabled": true}}',
        )
        return Layer(place="editor", values={}, problems=(problem,))
    inner = options.get("midfill", options)
    return Layer(place="editor", values=_snake_keys(inner, depth=2))


def resolve(layers: Sequence[Layer]) -> Resolved:
    """Lay the layers over the defaults, and collect every problem."""
    problems: list[ConfigError] = []
    chosen: dict[str, dict[str, object]] = {}
    sections = {field.name: field.type for field in dataclasses.fields(Config)}
    for layer in layers:
        problems.extend(layer.problems)
        for section, entries in layer.values.items():
            if section not in sections:
                problems.append(
                    _unknown(section, entries, layer.place, sorted(sections))
                )
            elif not isinstance(entries, Mapping):
                problems.append(
                    _wrong(section, entries, layer.place, "a table of settings")
                )
            else:
                good = _good_entries(section, entries, layer.place, problems)
                chosen.setdefault(section, {}).update(good)
    default = Config()
    replaced = {
        section: dataclasses.replace(getattr(default, section), **entries)
        for section, entries in chosen.items()
    }
    config = dataclasses.replace(default, **replaced)
    return Resolved(config=config, problems=tuple(problems))


def _good_entries(
    section: str,
    entries: Mapping[str, object],
    place: str,
    problems: list[ConfigError],
) -> dict[str, object]:
    """Convert the entries of one section that can be; report the others."""
    hints = get_type_hints(get_type_hints(Config)[section], include_extras=True)
    good: dict[str, object] = {}
    for key, raw in entries.items():
        name = f"{section}.{key}"
        if key not in hints:
            problems.append(_unknown(name, raw, place, sorted(hints)))
            continue
        try:
            good[key] = _convert(hints[key], raw)
        except ValueError as error:
            problems.append(_wrong(name, raw, place, str(error)))
    return good


def _convert(hint: object, raw: object) -> object:
    """Turn a raw value into the setting's type, without coercion.

    Raises:
        ValueError: The value does not fit; the message says what would.
    """
    limits: Range | None = None
    if get_origin(hint) is Annotated:
        hint, limits = get_args(hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        accepted = [member.value for member in hint]
        if raw not in accepted:
            raise ValueError("one of " + ", ".join(map(repr, accepted)))
        return hint(raw)
    if hint is bool:
        if not isinstance(raw, bool):
            raise ValueError("true or false")
        return raw
    if hint is str:
        if not isinstance(raw, str):
            raise ValueError("a string")
        return raw
    number = "a whole number" if hint is int else "a number"
    accepted_text = f"{number} {limits}" if limits else number
    fits = isinstance(raw, int) or (hint is float and isinstance(raw, float))
    if not fits or isinstance(raw, bool) or (limits and not limits.holds(float(raw))):  # type: ignore[arg-type]  # fits has just proved it a number
        raise ValueError(accepted_text)
    return raw


def _toml_value(text: str) -> object:
    """Read a value as TOML would, else take the text as it stands."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _snake_keys(value: object, *, depth: int) -> dict[str, object]:
    """Turn camel-case keys into snake case, ``depth`` levels down."""
    if not isinstance(value, Mapping):
        return {"midfill": value}
    result: dict[str, object] = {}
    for key, inner in value.items():
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in str(key))
        deeper = isinstance(inner, Mapping) and depth > 1
        result[name] = _snake_keys(inner, depth=depth - 1) if deeper else inner
    return result


def _shown(value: object) -> str:
    """Show a value in a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - one line


def _unknown(
    name: str, value: object, place: str, accepted: Sequence[str]
) -> ConfigError:
    """Report a key that does not exist."""
    return ConfigError(
        f"there is no setting {name} (value {_shown(value)})",
        subject=place,
        remedy="Known there: " + ", ".join(accepted),
    )


def _wrong(name: str, value: object, place: str, accepted: str) -> ConfigError:
    """Report a value that does not fit."""
    return ConfigError(
        f"{name} = {_shown(value)} is not accepted",
        subject=place,
        remedy=f"Accepted: {accepted}; until then the value below it holds",
    )
