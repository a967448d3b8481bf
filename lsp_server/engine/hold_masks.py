"""How a hold travels to the engine's process, and what it is made into there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

import torch

from lsp_server.hold import Hold

__all__ = ["HoldMasks", "extra_arguments", "masks_of"]

_KEY = "midfill_hold"
"""The name among a request's extra arguments, which vLLM hands on as they are."""

_SentStep: TypeAlias = tuple[bytes, list[tuple[int, int]]]
"""A step as `extra_arguments` writes it; between processes tuples become lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldMasks:
    """A hold, ready to be applied.

    Attributes:
        prompt_tokens: Tokens of the request's prompt.
        allowed: Of each step, one row of booleans: the tokens that may come.
        going_on: Of each step, the tokens that lead to another step.
    """

    prompt_tokens: int
    allowed: torch.Tensor
    going_on: tuple[Mapping[int, int], ...]


def extra_arguments(hold: Hold | None, prompt_tokens: int) -> dict[str, object] | None:
    """Put a hold into a request's extra arguments; None where nothing is held."""
    if hold is None:
        return None
    steps = [[step.finishing, list(step.going_on)] for step in hold.steps]
    return {_KEY: [prompt_tokens, steps]}


def masks_of(
    extra_arguments: Mapping[str, object] | None, device: torch.device
) -> HoldMasks | None:
    """Return the hold in a request's extra arguments; None where there is none."""
    sent = (extra_arguments or {}).get(_KEY)
    if sent is None:
        return None
    prompt_tokens, steps = cast("tuple[int, list[_SentStep]]", sent)
    rows = [_booleans(finishing) for finishing, _ in steps]
    going_on = tuple(dict(pairs) for _, pairs in steps)
    for row, pairs in zip(rows, going_on, strict=True):
        row[list(pairs)] = True
    return HoldMasks(
        prompt_tokens=prompt_tokens,
        allowed=torch.stack(rows).to(device),
        going_on=going_on,
    )


def _booleans(mask: bytes) -> torch.Tensor:
    """Turn a bit for each token into a boolean for each."""
    packed = torch.frombuffer(bytearray(mask), dtype=torch.uint8)
    bits = torch.arange(8, dtype=torch.uint8)
    return ((packed.unsqueeze(1) >> bits) & 1).flatten().bool()
