"""The network: a decoder of Llama's shape, or of Qwen3's where queries are normed.

Modules are named as Hugging Face names them, so that the weights can be saved as they
are. Nothing here knows what the tokens mean.

Sources: Touvron et al., arXiv 2302.13971 (RMSNorm, rotary positions, SwiGLU);
Ainslie et al., arXiv 2305.13245 (grouped queries); Qwen3's report, arXiv 2505.09388
(QK-norm). Letters in shapes: B rows, T tokens, D hidden, H heads, S size of a head.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.train.attention import Mask, attend
from training.train.config import Shape

__all__ = ["Decoder", "flops_per_token"]

_INITIAL_DEVIATION = 0.02


class Decoder(nn.Module):
    """Gives the logits of the next token; embeddings and output share their weights."""

    def __init__(self, shape: Shape, *, vocabulary_size: int) -> None:
        """Draw weights from torch's random generator."""
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary_size, shape.hidden)
        self.layers = nn.ModuleList(_Layer(shape) for _ in range(shape.layers))
        self.norm = _Norm(shape.hidden, shape.norm_epsilon)
        self._shape = shape
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=_INITIAL_DEVIATION)
        # What adds to the residual stream starts smaller the more there are of it.
        for name, parameter in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                parameter.data.mul_((2 * shape.layers) ** -0.5)

    def forward(self, tokens: Tensor, mask: Mask | None = None) -> Tensor:
        """Turn ids, shape (B, T), into logits, shape (B, T, vocabulary)."""
        hidden = self.embed_tokens(tokens)  # (B, T, D)
        if torch.is_autocast_enabled(tokens.device.type):
            # The residual stream too: half the bytes to move, as at inference.
            hidden = hidden.to(torch.get_autocast_dtype(tokens.device.type))
        rotation = _rotation(tokens.shape[1], self._shape, tokens.device)
        for layer in self.layers:
            hidden = layer(hidden, rotation, mask)
        return functional.linear(self.norm(hidden), self.embed_tokens.weight)


class _Norm(nn.Module):
    """RMSNorm, computed in float32 whatever it is given."""

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
    """Give the floating-point operations of training on one token.

    Six for each weight (the shared embedding counts once: as the output's matrix), and
    attention over half a row. Source: Chowdhery et al., arXiv 2204.02311, appendix B.
    """
    attention = 6 * shape.layers * shape.heads * shape.head_size * row_tokens
    return 6.0 * parameters + attention


def _rotation(length: int, shape: Shape, device: torch.device) -> tuple[Tensor, Tensor]:
    """Give cosine and sine, each of shape (T, 1, S)."""
    even = torch.arange(0, shape.head_size, 2, device=device, dtype=torch.float32)
    frequencies = shape.rope_theta ** (-even / shape.head_size)
    places = torch.arange(length, device=device, dtype=torch.float32)
    angles = torch.outer(places, frequencies).repeat(1, 2)[:, None, :]
    return angles.cos(), angles.sin()


def _rotate(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair (i, i + S / 2) of shape (B, T, H, S), as Hugging Face does."""
    cosine, sine = rotation
    left, right = heads.chunk(2, dim=-1)
    turned = heads * cosine + torch.cat((-right, left), dim=-1) * sine
    return turned.type_as(heads)
