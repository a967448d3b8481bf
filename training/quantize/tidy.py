"""Brings a quantiser's tensors into the form that vLLM reads. Needs torch."""

from collections.abc import Mapping

import torch

__all__ = ["tidy"]


def tidy(
    tensors: Mapping[str, torch.Tensor],
    *,
    source_names: frozenset[str],
    dropped: frozenset[str],
    group_size: int,
    dtype: torch.dtype,
) -> dict[str, torch.Tensor]:
    """Leave out what is needless, and give every tensor its type.

    Left out are a second copy of tied weights, and the biases of zeros that auto-gptq
    gives to layers which had none. Scales become float16, other weights ``dtype``.

    Args:
        tensors: The quantised model's state.
        source_names: The names of the source's tensors.
        dropped: Names of tensors that are copies of others.
        group_size: Columns that share a scale.
        dtype: Type of the weights that are not quantised.

    Raises:
        ValueError: A layer's groups are not consecutive columns, so that
            ``desc_act: false`` would be a lie.
    """
    kept: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if name in dropped or (name.endswith(".bias") and name not in source_names):
            continue
        if name.endswith(".g_idx"):
            sequential = torch.arange(len(tensor)) // group_size
            if not torch.equal(tensor.long().cpu(), sequential):
                raise ValueError(f"{name}: the groups are not consecutive columns")
        wanted = torch.float16 if name.endswith(".scales") else dtype
        changed = tensor.to(wanted) if tensor.is_floating_point() else tensor
        kept[name] = changed.detach().cpu().contiguous()
    return kept
