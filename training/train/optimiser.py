"""The optimiser: Muon for matrices, AdamW for embeddings and norms.

Sources: Jordan et al., "Muon: An optimizer for hidden layers in neural networks"
(2024), for the method and the coefficients; Liu et al., arXiv 2502.16982, for the scale
of an update, which lets both optimisers share a learning rate.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby

import torch
from torch import Tensor, nn

from training.train.config import Recipe

__all__ = ["Muon", "Optimiser", "rate_factor"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_UPDATE_SCALE = 0.2
_ADAM_BETAS = (0.9, 0.95)
_SMALLEST_NORM = 1e-7


def rate_factor(share: float, recipe: Recipe) -> float:
    """Return the factor of the learning rates after this share of the run.

    It rises from 0 to 1, stays there, and falls to 0, linearly.
    """
    rising = (share / recipe.warmup_share) if recipe.warmup_share else 1.0
    falling = ((1 - share) / recipe.decay_share) if recipe.decay_share else 1.0
    return max(0.0, min(1.0, rising, falling))


class Muon:
    """Moves each matrix along the orthogonal matrix nearest to its momentum.

    Matrices of one shape are stacked: hundreds of small products would leave a GPU
    idle.
    """

    def __init__(
        self, matrices: Iterable[Tensor], *, momentum: float, weight_decay: float
    ) -> None:
        """Optimise ``matrices``, each of two dimensions."""
        by_shape = sorted(matrices, key=lambda matrix: tuple(matrix.shape))
        self._groups = [
            list(group)
            for _, group in groupby(by_shape, key=lambda matrix: tuple(matrix.shape))
        ]
        # One momentum tensor of shape (matrices, rows, columns) for each group.
        self.momenta = [
            torch.zeros(len(group), *group[0].shape, device=group[0].device)
            for group in self._groups
        ]
        self._momentum = momentum
        self._weight_decay = weight_decay

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move every matrix along its gradient at this learning rate."""
        for group, momentum in zip(self._groups, self.momenta, strict=True):
            gradient = torch.stack([_gradient(matrix) for matrix in group])
            momentum.lerp_(gradient, 1 - self._momentum)
            ahead = gradient.lerp_(momentum, self._momentum)
            update = _orthogonal(ahead)
            scale = _UPDATE_SCALE * max(update.shape[-2:]) ** 0.5
            torch._foreach_mul_(group, 1 - rate * self._weight_decay)
            moves = list(update.to(group[0].dtype).unbind())
            torch._foreach_add_(group, moves, alpha=-rate * scale)


class Optimiser:
    """Muon and AdamW on one network, under one schedule."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        """Assign the layers' matrices to Muon, all else to AdamW without decay."""
        named = dict(network.named_parameters())
        matrices = [
            weight
            for name, weight in named.items()
            if weight.dim() > 1 and "embed" not in name
        ]
        taken = {id(matrix) for matrix in matrices}
        rest = [weight for weight in named.values() if id(weight) not in taken]
        self._muon = Muon(
            matrices, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        self._adam = torch.optim.AdamW(
            rest, lr=recipe.adam_rate, betas=_ADAM_BETAS, weight_decay=0.0
        )
        self._parameters = list(named.values())
        self._recipe = recipe

    def step(self, factor: float) -> None:
        """Clip the gradients, update the weights, and clear the gradients.

        Args:
            factor: What the learning rates are multiplied by.
        """
        nn.utils.clip_grad_norm_(self._parameters, self._recipe.clip_norm)
        self._muon.step(self._recipe.muon_rate * factor)
        for group in self._adam.param_groups:
            group["lr"] = self._recipe.adam_rate * factor
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        for parameter in self._parameters:
            parameter.grad = None

    def state(self) -> dict[str, object]:
        """Return all that `load` needs to continue exactly here."""
        return {"muon": self._muon.momenta, "adam": self._adam.state_dict()}

    def load(self, state: Mapping[str, object]) -> None:
        """Restore what `state` returned.

        Raises:
            KeyError: It is no such state.
        """
        match state:
            case {"muon": list(momenta), "adam": dict(adam)}:
                for mine, saved in zip(self._muon.momenta, momenta, strict=True):
                    mine.copy_(saved)
                self._adam.load_state_dict(adam)
            case _:
                raise KeyError("muon")


def _gradient(matrix: Tensor) -> Tensor:
    return torch.zeros_like(matrix) if matrix.grad is None else matrix.grad


def _orthogonal(matrices: Tensor) -> Tensor:
    """Bring all singular values near 1, by Newton-Schulz; shape (N, rows, columns).

    In bfloat16: the coefficients trade exactness for speed anyway.
    """
    a, b, c = _COEFFICIENTS
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    found = (matrices.mT if is_tall else matrices).bfloat16()
    norms = found.float().norm(dim=(-2, -1), keepdim=True).clamp_min(_SMALLEST_NORM)
    found = (found / norms).bfloat16()
    for _ in range(_ITERATIONS):
        square = found @ found.mT
        found = a * found + (b * square + c * square @ square) @ found
    orthogonal: Tensor = found.mT if is_tall else found
    return orthogonal
