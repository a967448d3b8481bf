"""Makes frozen dataclasses of decoded JSON or TOML, and forgives nothing.

An unknown key, a missing key and a value of another type are errors that name the
key. Nothing is converted: ``"4"`` is not 4, and ``true`` is not 1.
"""

import dataclasses
import types
from collections.abc import Mapping
from typing import TypeVar, get_args, get_origin, get_type_hints

__all__ = ["ShapeError", "build"]

_T = TypeVar("_T")

_NAMES: Mapping[object, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number with a decimal point",
    bool: "true or false",
}


class ShapeError(Exception):
    """The data is not of the shape that was asked for; the message names the key."""


def build(cls: type[_T], raw: object, *, where: str = "") -> _T:
    """Make a ``cls`` of ``raw``.

    Args:
        cls: A dataclass of texts, numbers, booleans, dataclasses, optional ones,
            tuples of one kind, and mappings from text to dataclasses.
        raw: Decoded JSON or TOML.
        where: The path of keys that led here.

    Raises:
        ShapeError: A key is unknown or missing, or a value has another type.
    """
    if not isinstance(raw, dict):
        raise ShapeError(_wrong(where, "an object"))
    hints = get_type_hints(cls)
    if unknown := sorted(raw.keys() - hints.keys()):
        raise ShapeError(f"the key {_path(where, unknown[0])!r} is unknown")
    if missing := [key for key in hints if key not in raw]:
        raise ShapeError(f"the key {_path(where, missing[0])!r} is missing")
    return cls(
        **{key: _value(hints[key], raw[key], _path(where, key)) for key in hints}
    )


def _value(hint: object, raw: object, where: str) -> object:
    if isinstance(hint, types.UnionType):
        (inner,) = (each for each in get_args(hint) if each is not types.NoneType)
        return None if raw is None else _value(inner, raw, where)
    if get_origin(hint) is Mapping:
        if not isinstance(raw, dict):
            raise ShapeError(_wrong(where, "an object"))
        inner = get_args(hint)[1]
        return {key: _value(inner, raw[key], _path(where, key)) for key in raw}
    if get_origin(hint) is tuple:
        if not isinstance(raw, list):
            raise ShapeError(_wrong(where, "a list"))
        inner = get_args(hint)[0]
        return tuple(
            _value(inner, each, f"{where}[{at}]") for at, each in enumerate(raw)
        )
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return build(hint, raw, where=where)
    # A bool is an int to isinstance.
    if type(raw) is not hint:
        raise ShapeError(_wrong(where, _NAMES.get(hint, str(hint))))
    return raw


def _path(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _wrong(where: str, expected: str) -> str:
    return f"the key {where!r} is not {expected}" if where else f"it is not {expected}"
