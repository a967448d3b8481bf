"""Turns raw values into settings, and shows values and names to people.

A raw value is what JSON, TOML or a variable holds. Nothing is coerced: ``"4"`` is not
4, and ``true`` is not 1.
"""

import datetime
import enum
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, get_args, get_origin

if TYPE_CHECKING:
    from lsp_server.config import Range

__all__ = [
    "EDITOR",
    "ENVIRONMENT",
    "PREFIX",
    "convert",
    "shown",
    "snake",
    "snake_keys",
    "spelt",
    "without_dots",
]

EDITOR = "editor"
ENVIRONMENT = "environment"
PREFIX = "MIDFILL_"
"""Before the section in the name of a variable."""

_SHOWN_CHARS = 60
_TOO_LARGE = "a value too large to show"


def convert(hint: object, raw: object) -> object:
    """Turn a raw value into the setting's type.

    Args:
        hint: The type of a field of `Config`'s sections.
        raw: What was read.

    Raises:
        ValueError: The value does not fit; the message says what would.
    """
    limits: Range | None = None
    if get_origin(hint) is Annotated:
        hint, limits = get_args(hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        accepted = [member.value for member in hint]
        if raw not in accepted:
            raise ValueError("one of " + ", ".join(map(shown, accepted)))
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
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise ValueError(accepted_text)  # noqa: TRY004 - a user's value, not a caller's
    # Compared as it is: a whole number of 400 digits is no float.
    if (hint is int and isinstance(raw, float)) or (limits and not limits.holds(raw)):
        raise ValueError(accepted_text)
    return raw


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


def _without_json(value: object) -> str:
    """Spell what TOML has and JSON has not: dates and times."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return type(value).__name__


def spelt(name: str, place: str) -> str:
    """Spell a setting's name, such as ``engine.max_num_seqs``, as a place writes it."""
    if place == ENVIRONMENT:
        return PREFIX + name.replace(".", "_").upper()
    if place == EDITOR:
        first, *rest = name.split("_")
        return "".join([first, *(word.capitalize() for word in rest)])
    return name


def snake(name: str) -> str:
    """Turn a name in camel case into snake case."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def snake_keys(values: Mapping[str, object]) -> dict[str, object]:
    """Turn keys in camel case into snake case, one level deep."""
    return {snake(str(key)): value for key, value in values.items()}


def without_dots(values: Mapping[str, object]) -> dict[str, object]:
    """Turn ``{"log.level": x}`` into ``{"log": {"level": x}}``.

    What is there in both ways is put together, the later over the earlier.
    """
    result: dict[str, object] = {}
    for key, value in values.items():
        first, dot, rest = str(key).partition(".")
        added = without_dots({rest: value}) if dot else value
        held = result.get(first)
        if isinstance(held, Mapping) and isinstance(added, Mapping):
            added = {**held, **added}
        result[first] = added
    return result
