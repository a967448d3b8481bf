"""Estimates the memory that quantising takes, before it begins."""

import math

from lsp_server.errors import QuantizeError
from training.quantize.source import Source

__all__ = ["needed_bytes", "require_memory"]

_FLOAT32_BYTES = 4
_BASE_BYTES = 1 << 30
"""Python, PyTorch and the libraries around them."""

_GIB = 1 << 30


def needed_bytes(source: Source, *, samples: int, sample_tokens: int) -> int:
    """Estimate the most memory that is needed at any time.

    While quantising, that is the model in float32, what goes into and comes out of a
    layer for all samples, and four matrices of the largest layer's inputs squared (the
    Hessian, its inverse, and copies). While comparing, it is source and result in
    float32, and four tables of one sample's logits. On a GPU the same passes through
    the main memory.
    """
    inputs = max((entry.shape[1] for entry in source.linear_layers.values()), default=0)
    model = source.parameters * _FLOAT32_BYTES
    hidden = _number(source, "hidden_size") or inputs
    states = 2 * samples * sample_tokens * hidden * _FLOAT32_BYTES
    hessians = 4 * inputs**2 * _FLOAT32_BYTES
    logits = 4 * sample_tokens * _number(source, "vocab_size") * _FLOAT32_BYTES
    return _BASE_BYTES + max(model + states + hessians, 2 * model + logits)


def require_memory(
    source: Source, *, samples: int, sample_tokens: int, available_bytes: int
) -> None:
    """Make sure that the estimate fits.

    Raises:
        QuantizeError: It does not.
    """
    needed = needed_bytes(source, samples=samples, sample_tokens=sample_tokens)
    if needed > available_bytes:
        raise QuantizeError(
            f"quantising and comparing need about {math.ceil(needed / _GIB)} GiB of "
            f"memory, and {available_bytes / _GIB:.1f} GiB are free",
            subject=str(source.folder),
            remedy="Close other programs, or quantise on a larger machine",
        )


def _number(source: Source, key: str) -> int:
    match source.config.get(key):
        case int(number):
            return number
    return 0
