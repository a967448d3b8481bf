"""Reads the head of a safetensors file: which tensors it holds, and that all are there.

The weights themselves are not read, and torch is not needed.

Source: the format's description at https://github.com/huggingface/safetensors: eight
bytes of length (little endian), that many bytes of JSON, then the tensors' bytes.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lsp_server.modelstore.json_file import damaged

__all__ = ["TensorEntry", "read_header"]

_LARGEST_HEADER_BYTES = 100_000_000
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorEntry:
    """One tensor of a file.

    Attributes:
        dtype: The element type in safetensors' words, ``BF16`` for example.
        shape: The sizes of its dimensions.
    """

    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path) -> Mapping[str, TensorEntry]:
    """Read which tensors the file holds, and check that its bytes are all there.

    Raises:
        ModelIntegrityError: The file is truncated, too long, or no safetensors file.
    """
    header, data_bytes = _split(path)
    entries: dict[str, TensorEntry] = {}
    spans: list[tuple[int, int]] = []
    for name, raw in header.items():
        if name == "__metadata__":
            continue
        entry, span = _read_entry(path, name, raw)
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


def _split(path: Path) -> tuple[Mapping[str, object], int]:
    """Give the decoded header, and how many bytes follow it."""
    try:
        file_bytes = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            data_bytes = file_bytes - _LENGTH_BYTES - length
            if length > _LARGEST_HEADER_BYTES or data_bytes < 0:
                raise damaged(path, "is truncated, or no safetensors file")
            header: object = json.loads(file.read(length))
    except OSError as exc:
        raise damaged(path, f"cannot be read ({exc.strerror})") from exc
    except (ValueError, RecursionError) as exc:
        raise damaged(path, "has a header that is not JSON") from exc
    if not isinstance(header, dict):
        raise damaged(path, "has a header that is not an object")
    return header, data_bytes


def _read_entry(
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
