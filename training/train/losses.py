"""What the network is judged by: two sums of losses over rows."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.train.attention import Mask
from training.train.data import Rows
from training.train.examples import Role

__all__ = ["count_targets", "mean_losses", "sum_losses", "to_device"]

# Plain numbers: torch.compile compares with members of an enumeration wrongly.
_ROLES = (int(Role.CONTEXT), int(Role.MIDDLE))


def to_device(rows: Rows, device: torch.device) -> Tensor:
    """Move rows, shape (B, 3, T + 1), as whole numbers that can be indices."""
    return torch.from_numpy(rows.astype(np.int32)).to(device).long()


def count_targets(rows: Rows) -> tuple[int, int]:
    """Give the targets of ``rows`` that are context, and those that are middle."""
    roles = rows[:, 1, 1:]
    return int((roles == Role.CONTEXT).sum()), int((roles == Role.MIDDLE).sum())


def sum_losses(network: nn.Module, rows: Tensor, mask: Mask | None = None) -> Tensor:
    """Sum the cross-entropy, in nats: shape (2,), over context and over middles."""
    targets, roles = rows[:, 0, 1:], rows[:, 1, 1:]
    logits = network(rows[:, 0, :-1], mask)  # (B, T, vocabulary)
    each = functional.cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), reduction="none"
    ).view(targets.shape)
    return torch.stack([(each * (roles == role)).sum() for role in _ROLES])


def mean_losses(sums: Tensor, counts: tuple[int, int]) -> tuple[float, float]:
    """Give both means; of nothing, it is zero."""
    context, middle = sums.tolist()
    return context / max(counts[0], 1), middle / max(counts[1], 1)
