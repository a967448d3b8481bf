"""Checks the settings of all layers, and settings that must fit together.

The layers are, in this order: defaults, a TOML file, environment variables, and what
the editor sends; the later wins. A setting that is unknown or wrong is left at the
value of the layers below it and becomes a problem: a sentence with the key, the value,
the place and what would be accepted. Nothing here raises for a bad setting.
"""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from lsp_server.config import Config
from lsp_server.errors import ConfigError
from lsp_server.setting_layers import SECTIONS, Layer, shown, spelt, unknown_setting

__all__ = ["Resolved", "resolve", "settle", "switched_off"]

_ADAPTERS: Mapping[str, TypeAdapter[Any]] = MappingProxyType(  # Any: a section each
    {name: TypeAdapter(section) for name, section in get_type_hints(Config).items()}
)

_LEAST_PROMPT_TOKENS = 64
"""Less of a document is of no use; `prompt.max_prompt_tokens` begins here, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A configuration that can be used, and what was wrong on the way to it.

    Attributes:
        config: Every setting.
        problems: What was left out, and why.
        stated: Section and key of each setting that a layer has an accepted value for.
    """

    config: Config
    problems: tuple[ConfigError, ...]
    stated: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Conflict:
    """Settings that cannot work together.

    Attributes:
        keys: The settings, as section and key.
        what: What is wrong, with the numbers.
        remedy: What to do.
    """

    keys: tuple[tuple[str, str], ...]
    what: str
    remedy: str


def resolve(layers: Sequence[Layer]) -> Resolved:
    """Lay the layers over the defaults, and collect every problem."""
    config = Config()
    stated: set[tuple[str, str]] = set()
    for layer in layers:
        for section, entries in layer.values.items():
            if section in SECTIONS and isinstance(entries, Mapping):
                held = getattr(config, section)
                good = _good_entries(section, entries)
                stated |= {(section, key) for key in good}
                changed = dataclasses.replace(held, **good)
                config = dataclasses.replace(config, **{section: changed})
    problems = [
        problem
        for layer in layers
        for problem in (*layer.problems, *_problems(layer, config))
    ]
    return Resolved(config=config, problems=tuple(problems), stated=frozenset(stated))


def settle(
    config: Config, held: Config, *, model_tokens: int | None
) -> tuple[Config, tuple[ConfigError, ...]]:
    """Replace settings that cannot work together by those that are held.

    Args:
        config: What is asked for.
        held: What holds until now; the defaults at the start.
        model_tokens: The model's context length; None where it is not known.

    Returns:
        A configuration that can work wherever ``held`` can, and one problem for each
        conflict.
    """
    problems = []
    for conflict in _conflicts(config, model_tokens):
        before = config
        for section, key in conflict.keys:
            config = _with(config, section, key, value=_value(held, section, key))
        problems.append(_problem(conflict, before, config))
    return config, tuple(problems)


def switched_off(
    config: Config, names: Iterable[str], *, stated: Collection[tuple[str, str]]
) -> Config:
    """Return the configuration with some features off that nobody has asked for.

    Args:
        config: What holds otherwise.
        names: Settings such as ``context.enabled``; one that is no switch, or that only
            another Midfill knows, is left alone.
        stated: Section and key of each setting that somebody has set.
    """
    for name in names:
        section, _, key = name.partition(".")
        is_on = section in SECTIONS and getattr(getattr(config, section), key, None)
        if is_on is True and (section, key) not in stated:
            config = _with(config, section, key, value=False)
    return config


def _good_entries(section: str, entries: Mapping[str, object]) -> dict[str, object]:
    """Return the entries of one section that are accepted; null is no value.

    A protection that is set to something wrong is on.
    """
    good: dict[str, object] = {}
    for field in dataclasses.fields(getattr(Config(), section)):
        raw = entries.get(field.name)
        if raw is None:
            continue
        try:
            good[field.name] = _validated(section, field.name, raw)
        except ValueError:
            if "if_wrong" in field.metadata:
                good[field.name] = field.metadata["if_wrong"]
    return good


def _problems(layer: Layer, config: Config) -> Iterator[ConfigError]:
    """Report which settings of a layer are ignored, and what ``config`` holds instead.

    Only the names are spelt as in the layer's place.
    """
    for section, entries in layer.values.items():
        name = spelt(section, layer.place)
        if section not in SECTIONS:
            yield unknown_setting(name, layer.place, "Sections", SECTIONS)
        elif not isinstance(entries, Mapping):
            yield _wrong(name, entries, layer.place, "Use a table of settings")
        else:
            yield from _problems_in(section, entries, layer, config)


def _problems_in(
    section: str, entries: Mapping[str, object], layer: Layer, config: Config
) -> Iterator[ConfigError]:
    """Report which settings of one section are ignored."""
    place = layer.place
    for key, raw in entries.items():
        name = layer.spelt(f"{section}.{key}")
        if key not in _keys(section):
            known = [spelt(f"{section}.{each}", place) for each in _keys(section)]
            yield unknown_setting(name, place, "Settings", known)
        elif raw is not None:
            try:
                _validated(section, key, raw)
            except ValueError:
                now = shown(getattr(getattr(config, section), key))
                remedy = f"Use {_accepted(section, key)}; until then it is {now}"
                yield _wrong(name, raw, place, remedy)


def _validated(section: str, key: str, raw: object) -> object:
    """Return a raw value in the setting's type.

    Each key is validated by itself, so that no other costs it.

    Raises:
        ValueError: The value does not fit.
    """
    try:
        return getattr(_ADAPTERS[section].validate_python({key: raw}), key)
    # A deeply nested value cannot even be compared with an enumeration's.
    except RecursionError as error:
        raise ValueError(key) from error


def _accepted(section: str, key: str) -> str:
    """Return which values a setting accepts, for people."""
    hints = get_type_hints(get_type_hints(Config)[section], include_extras=True)
    schema = TypeAdapter(hints[key]).json_schema()
    if "enum" in schema:
        return "one of " + ", ".join(map(shown, schema["enum"]))
    names = {"boolean": "true or false", "string": "a string"}
    if schema["type"] in names:
        return str(schema.get("description", names[schema["type"]]))
    number = "a whole number" if schema["type"] == "integer" else "a number"
    return f"{number} from {schema['minimum']:,} to {schema['maximum']:,}"


def _keys(section: str) -> Sequence[str]:
    """Return the settings of a section."""
    return [field.name for field in dataclasses.fields(getattr(Config(), section))]


def _wrong(name: str, raw: object, place: str, remedy: str) -> ConfigError:
    """Make the problem for a value that does not fit."""
    what = f"{name} = {shown(raw)} is not accepted"
    return ConfigError(what, subject=place, remedy=remedy)


def _conflicts(config: Config, model_tokens: int | None) -> Iterator[_Conflict]:
    """Find the settings that do not fit together."""
    engine, completion = config.engine, config.completion
    context = engine.max_model_len or model_tokens
    if model_tokens and engine.max_model_len > model_tokens:
        context = model_tokens
        yield _Conflict(
            keys=(("engine", "max_model_len"),),
            what=f"the model has {model_tokens:,} tokens of context, and "
            f"engine.max_model_len asks for {engine.max_model_len:,}",
            remedy="Set it to 0 for the model's own",
        )
    output = max(completion.max_line_tokens, completion.max_block_tokens)
    if context and output + _LEAST_PROMPT_TOKENS > context:
        yield _Conflict(
            keys=(
                ("completion", "max_line_tokens"),
                ("completion", "max_block_tokens"),
                ("engine", "max_model_len"),
            ),
            what=f"completions of {output:,} tokens leave less than "
            f"{_LEAST_PROMPT_TOKENS} of {context:,} tokens of context for a prompt",
            remedy="Lower completion.max_line_tokens and completion.max_block_tokens"
            + (", or raise engine.max_model_len" if engine.max_model_len else ""),
        )
    if 0 < engine.max_num_batched_tokens < engine.max_num_seqs:
        yield _Conflict(
            keys=(("engine", "max_num_batched_tokens"), ("engine", "max_num_seqs")),
            what=f"engine.max_num_batched_tokens is {engine.max_num_batched_tokens:,}, "
            f"less than engine.max_num_seqs, {engine.max_num_seqs:,}",
            remedy="Raise the one, lower the other, or set the first to 0",
        )


def _problem(conflict: _Conflict, asked: Config, settled: Config) -> ConfigError:
    """Make the problem for a conflict, with what holds instead."""
    now = [
        f"{section}.{key} is {_value(settled, section, key):,}"
        for section, key in conflict.keys
        if _value(settled, section, key) != _value(asked, section, key)
    ]
    until = f"; until then {' and '.join(now)}" if now else ""
    return ConfigError(
        conflict.what,
        subject="settings that cannot work together",
        remedy=conflict.remedy + until,
    )


def _value(config: Config, section: str, key: str) -> int:
    return int(getattr(getattr(config, section), key))


def _with(config: Config, section: str, key: str, *, value: int) -> Config:
    changed = dataclasses.replace(getattr(config, section), **{key: value})
    return dataclasses.replace(config, **{section: changed})
