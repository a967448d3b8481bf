"""Attention from each token to those before it, of its whole row or its own example.

Letters in shapes: B rows, T tokens, H heads, S size of a head.
"""

from typing import TypeAlias

from torch import Tensor
from torch.nn import functional
from torch.nn.attention.flex_attention import (
    BlockMask,
    create_block_mask,
    flex_attention,
)

__all__ = ["Mask", "apart_mask", "attend"]

Mask: TypeAlias = Tensor | BlockMask


def apart_mask(examples: Tensor) -> Mask:
    """Let a token see only earlier ones of its example.

    Args:
        examples: The number of each token's example in its row, shape (B, T).
    """
    if examples.device.type != "cuda":
        same = examples[:, None, :, None] == examples[:, None, None, :]
        return same.tril()  # (B, 1, T, T)
    return _block_mask(examples)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Mask | None) -> Tensor:
    """Mix values; queries have shape (B, H, T, S), the others fewer heads.

    Without a mask a token sees all before it in its row.
    """
    if isinstance(mask, BlockMask):
        # Only this one leaves out what the mask hides; it wants to be compiled.
        mixed: Tensor | tuple[Tensor, ...] = flex_attention(
            query, key, value, block_mask=mask, enable_gqa=True
        )
        assert isinstance(mixed, Tensor)  # noqa: S101 - a tuple only if asked for
        return mixed
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, enable_gqa=True
    )


def _block_mask(examples: Tensor) -> BlockMask:
    def is_seen(row: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & (examples[row, query] == examples[row, key])

    rows, length = examples.shape
    return create_block_mask(
        is_seen, rows, None, length, length, device=examples.device
    )
