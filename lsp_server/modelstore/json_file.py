"""Reads a JSON file that may be anything at all."""

import json
from pathlib import Path

from lsp_server.errors import ModelIntegrityError

__all__ = ["as_written", "damaged", "read_json"]

_LARGEST_BYTES = 64 * 1024 * 1024
"""More than any tokenizer or index needs; a larger file is not worth the memory."""


def read_json(path: Path) -> object:
    """Decode the file.

    Raises:
        ModelIntegrityError: It cannot be read, is too large, or is not JSON.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise damaged(path, f"is larger than {_LARGEST_BYTES:,} bytes")
        decoded: object = json.loads(path.read_bytes())
    except OSError as exc:
        raise damaged(path, f"cannot be read ({exc.strerror})") from exc
    # ValueError holds both bad JSON and bad UTF-8; depth has no limit but the stack.
    except (ValueError, RecursionError) as exc:
        raise damaged(path, "is not JSON") from exc
    return decoded


def damaged(path: Path, what: str) -> ModelIntegrityError:
    """Make the error for a file that is not what the model's maker wrote."""
    return ModelIntegrityError(
        f"the file {what}", subject=str(path), remedy="Fetch the model again"
    )


def as_written(value: object) -> str:
    """Return a decoded value as JSON spells it: ``null``, ``true``, ``"gptq"``."""
    return json.dumps(value, ensure_ascii=False, default=str)
