"""Reads JSON and safetensors files of a model folder, which may hold anything.

The weights themselves are not read, and torch is not needed.

Source: https://github.com/huggingface/safetensors: a file is eight bytes of length
(little endian), that many bytes of JSON, the header, and then the tensors' bytes.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeVar

from pydantic import AfterValidator, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from lsp_server.errors import ModelIntegrityError

__all__ = [
    "ShapeError",
    "TensorEntry",
    "as_json",
    "damaged",
    "is_inside",
    "matching",
    "read_header",
    "read_json",
    "validate",
]

_T = TypeVar("_T")

_MAX_JSON_BYTES = 64 * 1024 * 1024
"""More than any tokenizer or index needs; a larger file is not worth the memory."""

_MAX_HEADER_BYTES = 100_000_000
"""The limit of the safetensors library itself."""

_LENGTH_BYTES = 8

_ITEM_BYTES: Mapping[str, int] = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}

_UNKNOWN_KEY = "unexpected_keyword_argument"
_EXPECTED: Mapping[str, str] = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "dataclass_type": "an object",
    "dict_type": "an object",
    "tuple_type": "a list",
    "greater_than": "a positive number",
    "greater_than_equal": "zero or a positive number",
}
"""What would have been right, by pydantic's name of the error."""


class ShapeError(Exception):
    """Decoded data is not of the type that was asked for; the message names the key."""


def validate(adapter: TypeAdapter[_T], raw: object) -> _T:
    """Return decoded JSON or TOML as a value of the adapter's type.

    Nothing is converted or ignored: an unknown key, a missing key and a value of
    another type are errors; ``"4"`` is not 4, and ``true`` is not 1.

    Raises:
        ShapeError: The data does not fit.
    """
    try:
        # As JSON: of Python's values, the strict mode takes instances alone.
        content = json.dumps(raw, default=str)
        return adapter.validate_json(content, strict=True, extra="forbid")
    except ValidationError as exc:
        # An unknown key before a missing one: it may be the missing one, misspelt.
        errors = sorted(exc.errors(), key=lambda each: each["type"] != _UNKNOWN_KEY)
        raise ShapeError(_describe(errors[0])) from exc
    except RecursionError as exc:
        raise ShapeError("it is nested too deeply") from exc


def matching(pattern: str, description: str) -> AfterValidator:
    """Return a validator of texts, for a type's annotation.

    Args:
        pattern: A regular expression for the whole text.
        description: What such a text is, for errors: "the key 'x' is not ...".
    """
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise PydanticCustomError(
                "described", "{description}", {"description": description}
            )
        return text

    return AfterValidator(check)


def read_json(path: Path) -> object:
    """Decode a JSON file.

    Raises:
        ModelIntegrityError: It cannot be read, is too large, or is not JSON.
    """
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise damaged(path, f"is larger than {_MAX_JSON_BYTES:,} bytes")
        decoded: object = json.loads(path.read_bytes())
    except OSError as exc:
        raise damaged(path, f"cannot be read ({exc.strerror})") from exc
    # ValueError is bad JSON or bad UTF-8; JSON's depth has no limit but the stack.
    except (ValueError, RecursionError) as exc:
        raise damaged(path, "is not JSON") from exc
    return decoded


def damaged(path: Path, what: str) -> ModelIntegrityError:
    """Return the error for a file that is not what the model's maker wrote."""
    return ModelIntegrityError(
        f"the file {what}", subject=str(path), remedy="Fetch the model again"
    )


def as_json(value: object) -> str:
    """Return a decoded value as JSON spells it: ``null``, ``true``, ``"gptq"``."""
    return json.dumps(value, ensure_ascii=False, default=str)


def is_inside(name: str) -> bool:
    """Return whether ``name`` is a relative path that stays below its folder.

    It must be one on every system: a drive, a backslash, a colon, and a part such as
    ``..`` or ``.`` are refused.
    """
    path = PurePosixPath(name)
    return (
        bool(path.parts)
        and path.as_posix() == name
        and not path.is_absolute()
        and not PureWindowsPath(name).drive
        and ".." not in path.parts
        and not any(mark in name for mark in "\\:\0")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorEntry:
    """One tensor of a safetensors file.

    Attributes:
        dtype: The element type in safetensors' words, such as ``BF16``.
        shape: The sizes of its dimensions.
    """

    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path) -> Mapping[str, TensorEntry]:
    """Read which tensors a safetensors file holds, and check that its size fits them.

    Raises:
        ModelIntegrityError: The file is truncated, too long, or no safetensors file.
    """
    header, data_bytes = _read_raw_header(path)
    entries: dict[str, TensorEntry] = {}
    spans: list[tuple[int, int]] = []
    for name, raw in header.items():
        if name == "__metadata__":
            continue
        entry, span = _tensor_entry(path, name, raw)
        entries[name] = entry
        spans.append(span)
    end = 0
    for first, last in sorted(spans):
        if first != end:
            raise damaged(path, f"has tensors that do not join at byte {end}")
        end = last
    if end != data_bytes:
        raise damaged(
            path, f"holds {data_bytes} bytes of tensors where its header needs {end}"
        )
    return entries


def _describe(error: ErrorDetails) -> str:
    """Return pydantic's error as a clause that names the key."""
    key = ""
    for part in error["loc"]:
        if isinstance(part, int):
            key += f"[{part}]"
        else:
            key += f".{part}" if key else part
    kind = error["type"]
    # Lone surrogates, and what is nested too deeply.
    if kind == "json_invalid":
        return f"it cannot be decoded ({error['ctx']['error']})"
    if kind == "missing":
        return f"the key {key!r} is missing"
    if kind == _UNKNOWN_KEY:
        return f"the key {key!r} is unknown"
    expected = _EXPECTED.get(kind, error["msg"])
    return f"the key {key!r} is not {expected}" if key else f"it is not {expected}"


def _read_raw_header(path: Path) -> tuple[Mapping[str, object], int]:
    """Return the decoded header, and how many bytes follow it."""
    try:
        file_bytes = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            data_bytes = file_bytes - _LENGTH_BYTES - length
            if length > _MAX_HEADER_BYTES or data_bytes < 0:
                raise damaged(path, "is truncated, or no safetensors file")
            header: object = json.loads(file.read(length))
    except OSError as exc:
        raise damaged(path, f"cannot be read ({exc.strerror})") from exc
    except (ValueError, RecursionError) as exc:
        raise damaged(path, "has a header that is not JSON") from exc
    if not isinstance(header, dict):
        raise damaged(path, "has a header that is not an object")
    return header, data_bytes


def _tensor_entry(
    path: Path, name: str, raw: object
) -> tuple[TensorEntry, tuple[int, int]]:
    match raw:
        case {
            "dtype": str(dtype),
            "shape": list(shape),
            "data_offsets": [int(first), int(last)],
        } if dtype in _ITEM_BYTES and all(
            type(size) is int and size >= 0 for size in shape
        ):
            if last - first == _ITEM_BYTES[dtype] * math.prod(shape):
                return TensorEntry(dtype=dtype, shape=tuple(shape)), (first, last)
    raise damaged(path, f"describes the tensor {name!r} in a way that cannot be")
