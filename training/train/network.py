"""The network: a decoder like Llama, or like Qwen3 if queries and keys are normed.

Modules are named as in Hugging Face's implementation, so that weights are saved as they
are. Nothing here knows what the tokens mean.

Sources: Touvron et al., arXiv 2302.13971 (RMSNorm, rotary positions, SwiGLU);
Ainslie et al., arXiv 2305.13245 (grouped queries); Qwen3's report, arXiv 2505.09388
(QK-norm). Letters in shapes: B rows, T tokens, D hidden, H heads, S size of a head.
"""

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention.flex_attention import (
    BlockMask,
    create_block_mask,
    flex_attention,
)

from training.train.config import Shape

__all__ = ["Decoder", "Mask", "apart_mask", "attend", "flops_per_token"]

_INITIAL_DEVIATION = 0.02


Mask: TypeAlias = Tensor | BlockMask
"""Which earlier tokens each token sees."""


class Decoder(nn.Module):
    """Decoder-only transformer; the embedding is the output matrix too."""

    def __init__(self, shape: Shape, *, vocabulary_size: int) -> None:
        """Draw the weights from torch's random generator."""
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary_size, shape.hidden)
        self.layers = nn.ModuleList(_Layer(shape) for _ in range(shape.layers))
        self.norm = _Norm(shape.hidden, shape.norm_epsilon)
        self._shape = shape
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=_INITIAL_DEVIATION)
        # The more layers add to the residual stream, the smaller each starts.
        for name, parameter in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                parameter.data.mul_((2 * shape.layers) ** -0.5)

    def forward(self, tokens: Tensor, mask: Mask | None = None) -> Tensor:
        """Return the next token's logits, shape (B, T, vocabulary), of ids, (B, T)."""
        hidden = self.embed_tokens(tokens)  # (B, T, D)
        if torch.is_autocast_enabled(tokens.device.type):
            # The residual stream too, as at inference: half the bytes to move.
            hidden = hidden.to(torch.get_autocast_dtype(tokens.device.type))
        rotation = _rotation(tokens.shape[1], self._shape, tokens.device)
        for layer in self.layers:
            hidden = layer(hidden, rotation, mask)
        return functional.linear(self.norm(hidden), self.embed_tokens.weight)


class _Norm(nn.Module):
    """RMSNorm, computed in float32."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self._epsilon = epsilon

    def forward(self, hidden: Tensor) -> Tensor:
        wide = hidden.float()
        scale = (wide.square().mean(-1, keepdim=True) + self._epsilon).rsqrt()
        normed: Tensor = (wide * scale).type_as(hidden) * self.weight.type_as(hidden)
        return normed


class _Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = _Norm(shape.hidden, shape.norm_epsilon)
        self.self_attn = _Attention(shape)
        self.post_attention_layernorm = _Norm(shape.hidden, shape.norm_epsilon)
        self.mlp = _FeedForward(shape)

    def forward(
        self, hidden: Tensor, rotation: tuple[Tensor, Tensor], mask: Mask | None
    ) -> Tensor:
        normed = self.input_layernorm(hidden)
        hidden = hidden + self.self_attn(normed, rotation, mask)
        summed: Tensor = hidden + self.mlp(self.post_attention_layernorm(hidden))
        return summed


class _Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._size = size = shape.head_size
        self.q_proj = nn.Linear(shape.hidden, shape.heads * size, bias=False)
        self.k_proj = nn.Linear(shape.hidden, shape.kv_heads * size, bias=False)
        self.v_proj = nn.Linear(shape.hidden, shape.kv_heads * size, bias=False)
        self.o_proj = nn.Linear(shape.heads * size, shape.hidden, bias=False)
        if shape.qk_norm:
            self.q_norm: nn.Module = _Norm(size, shape.norm_epsilon)
            self.k_norm: nn.Module = _Norm(size, shape.norm_epsilon)
        else:
            self.q_norm = nn.Identity()
            self.k_norm = nn.Identity()

    def forward(
        self, hidden: Tensor, rotation: tuple[Tensor, Tensor], mask: Mask | None
    ) -> Tensor:
        rows, length, _ = hidden.shape
        split = (rows, length, -1, self._size)
        query = self.q_norm(self.q_proj(hidden).view(split))  # (B, T, H, S)
        key = self.k_norm(self.k_proj(hidden).view(split))  # (B, T, KV heads, S)
        value = self.v_proj(hidden).view(split)
        mixed = attend(
            _rotate(query, rotation).transpose(1, 2),
            _rotate(key, rotation).transpose(1, 2),
            value.transpose(1, 2),
            mask,
        )  # (B, H, T, S)
        joined: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(rows, length, -1))
        return joined


class _FeedForward(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.down_proj = nn.Linear(shape.feed_forward, shape.hidden, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        gated = functional.silu(self.gate_proj(hidden)) * self.up_proj(hidden)
        narrowed: Tensor = self.down_proj(gated)
        return narrowed


def flops_per_token(shape: Shape, *, parameters: int, row_tokens: int) -> float:
    """Return the floating-point operations of training on one token.

    Six for each weight (the shared embedding counts once: as the output's matrix), and
    attention over half a row. Source: Chowdhery et al., arXiv 2204.02311, appendix B.
    """
    attention = 6 * shape.layers * shape.heads * shape.head_size * row_tokens
    return 6.0 * parameters + attention


def _rotation(length: int, shape: Shape, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cosine and sine, each of shape (T, 1, S)."""
    even = torch.arange(0, shape.head_size, 2, device=device, dtype=torch.float32)
    frequencies = shape.rope_theta ** (-even / shape.head_size)
    places = torch.arange(length, device=device, dtype=torch.float32)
    angles = torch.outer(places, frequencies).repeat(1, 2)[:, None, :]
    return angles.cos(), angles.sin()


def _rotate(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate each pair (i, i + S / 2) of shape (B, T, H, S), as Hugging Face does."""
    cosine, sine = rotation
    left, right = heads.chunk(2, dim=-1)
    turned = heads * cosine + torch.cat((-right, left), dim=-1) * sine
    return turned.type_as(heads)


def apart_mask(examples: Tensor) -> Mask:
    """Return the mask by which a token sees only earlier ones of its example.

    Args:
        examples: The number of each token's example in its row, shape (B, T).
    """
    if examples.device.type != "cuda":
        same = examples[:, None, :, None] == examples[:, None, None, :]
        return same.tril()  # (B, 1, T, T)
    return _block_mask(examples)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Mask | None) -> Tensor:
    """Return causal attention, shape (B, H, T, S); keys and values have fewer heads.

    Without a mask, a token sees all earlier ones of its row.
    """
    if isinstance(mask, BlockMask):
        # Skips the blocks that the mask hides; is fast only when compiled.
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
