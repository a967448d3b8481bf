"""How much memory a model needs: weights, KV cache, activations, and the rest.

What the registry states is counted; what it leaves open is estimated and said to be.
"""

from dataclasses import dataclass

from lsp_server.modelstore.registry.entry import Architecture, Entry

__all__ = ["Load", "Need", "memory_need"]

_CACHE_BYTES = 2
"""Keys and values are kept in 16 bits."""

_BLOCK_TOKENS = 32
"""A request takes whole blocks of the cache; on a GPU they are half as large."""

_ACTIVATION_WIDTHS = 16
"""Values that are alive for one token of a prefill, in hidden widths: residual,
queries, keys, values, and a gated layer of about five widths, twice over."""

_PREFILL_TOKENS = 2048
"""Tokens of one scheduler step, vLLM's usual default."""

_BASE_BYTES = {"cuda": 3 << 29, "cpu": 1 << 30}
"""CUDA context, libraries and graphs; on a CPU, the Python process. Rules of thumb."""

_SCALE_BYTES = 2.5
"""A 16-bit scale and a packed zero point for each group."""

_USUAL_GROUP = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked of the model at one time.

    Attributes:
        context_tokens: Prompt and output of one request.
        concurrency: Requests that are decoded side by side.
        reserved_cache_bytes: What the engine sets aside for the cache however little
            is asked of it; 0 where it takes what is needed.
    """

    context_tokens: int
    concurrency: int
    reserved_cache_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Memory by its use, in bytes.

    Attributes:
        weights: The weights as they are stored.
        weights_are_estimated: Whether no source states their size.
        cache: Keys and values of all requests, or what is set aside for them.
        activations: What one step of a prefill holds.
        base: Everything that does not depend on the model, graphs included.
    """

    weights: int
    weights_are_estimated: bool
    cache: int
    activations: int
    base: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.activations + self.base


def memory_need(
    entry: Entry, load: Load, *, device: str, weights_bytes: int | None = None
) -> Need | None:
    """Count what ``entry`` needs under ``load``; None where its shape is not known.

    Args:
        entry: The model.
        load: What is asked of it; of a longer context, only the model's own counts.
        device: ``cpu`` or ``cuda``.
        weights_bytes: The size of the weights on disk, where they are there.
    """
    shape = entry.architecture
    if shape is None:
        return None
    checkpoint = entry.checkpoint
    stated = weights_bytes or (checkpoint.weights_bytes if checkpoint else None)
    context = min(load.context_tokens, entry.context_length)
    tokens = -(-context // _BLOCK_TOKENS) * _BLOCK_TOKENS * load.concurrency
    cache = tokens * _cache_values(shape) * _CACHE_BYTES
    return Need(
        weights=stated or _estimated_weights(entry, shape),
        weights_are_estimated=stated is None,
        cache=max(cache, load.reserved_cache_bytes),
        activations=_PREFILL_TOKENS * shape.hidden_size * _ACTIVATION_WIDTHS * 2,
        base=_BASE_BYTES[device],
    )


def _cache_values(shape: Architecture) -> int:
    """Values that one token leaves in the cache."""
    width = shape.latent_width or 2 * shape.kv_heads * shape.head_dim
    return shape.layers * width


def _estimated_weights(entry: Entry, shape: Architecture) -> int:
    """Size of the weights, embedding and head in 16 bits, all else quantised."""
    bits = entry.checkpoint.bits if entry.checkpoint else 16
    group = (entry.checkpoint and entry.checkpoint.group_size) or _USUAL_GROUP
    per_weight = bits / 8 + (_SCALE_BYTES / group if bits < 16 else 0)  # noqa: PLR2004 - 16 bits are not quantised
    embedding = 2 * (shape.vocabulary or 0) * shape.hidden_size
    return int(max(entry.parameters - embedding, 0) * per_weight + 2 * embedding)
