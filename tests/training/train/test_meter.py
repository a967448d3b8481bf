"""Losses are summed by the role of their targets."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from training.train.meter import count_targets, mean_losses, sum_losses, to_device


class Echo(nn.Module):
    """Thinks that the next token is most likely this one."""

    def forward(self, tokens: Tensor, _mask: object) -> Tensor:
        return 3.0 * nn.functional.one_hot(tokens, 8).float()


def test_each_token_counts_by_its_role_as_a_target() -> None:
    """A token's loss goes to the sum of its own role; without a role, to none."""
    rows = np.array([[[1, 1, 2, 2, 5], [2, 1, 2, 0, 1], [0] * 5]], np.uint16)
    logits = 3.0 * torch.eye(8)
    right, wrong = (
        float(cross_entropy(logits[1][None], torch.tensor([target])))
        for target in (1, 2)
    )
    sums = sum_losses(Echo(), to_device(rows, torch.device("cpu")))
    counts = count_targets(rows)
    # Targets: 1 (context), 2 (middle), 2 (no role), 5 (context).
    assert (2, 1) == counts
    torch.testing.assert_close(sums, torch.tensor([right + wrong, wrong]))
    context, middle = mean_losses(sums, counts)
    assert abs(context - (right + wrong) / 2) < 1e-6
    assert abs(middle - wrong) < 1e-6
    assert (0.0, 0.0) == mean_losses(torch.zeros(2), (0, 0))
