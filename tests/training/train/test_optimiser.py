"""The fast optimiser is the plain one, and its rates follow the schedule."""

from dataclasses import replace

import pytest
import torch

from training.train.config import TrainConfig
from training.train.network import Decoder
from training.train.optimiser import Muon, Optimiser, rate_factor

SHAPES = ((16, 8), (8, 16), (16, 8), (8, 8))


def test_muon_is_torchs_muon() -> None:
    """Matrices of several shapes move as torch's own, one by one, moves them."""
    torch.manual_seed(0)
    ours = [torch.randn(shape, requires_grad=True) for shape in SHAPES]
    theirs = [matrix.detach().clone().requires_grad_() for matrix in ours]
    fast = Muon(ours, momentum=0.9, weight_decay=0.1)
    slow = torch.optim.Muon(
        theirs,
        lr=0.02,
        momentum=0.9,
        weight_decay=0.1,
        adjust_lr_fn="match_rms_adamw",
    )
    for _ in range(4):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        fast.step(0.02)
        slow.step()  # type: ignore[no-untyped-call]  # torch types it not
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=2e-3)


def test_each_weight_has_its_optimiser(tiny_config: TrainConfig) -> None:
    """Muon takes the matrices inside layers; embeddings and norms go to AdamW."""
    network = Decoder(tiny_config.shape, vocabulary_size=64)
    optimiser = Optimiser(network, tiny_config.recipe)
    matrices = sum(len(momentum) for momentum in optimiser._muon.momenta)
    rest = sum(len(group["params"]) for group in optimiser._adam.param_groups)
    assert 2 * 7 == matrices
    assert 1 + 2 * 2 + 1 == rest
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    network(torch.arange(64)[None]).square().sum().backward()
    optimiser.step(1.0)
    for name, weight in network.named_parameters():
        assert not torch.equal(before[name], weight), name
        assert weight.grad is None


@pytest.mark.parametrize(
    ("share", "factor"),
    [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.5, 1.0), (0.75, 0.5), (1.0, 0.0), (2, 0)],
)
def test_rates_rise_hold_and_fall(
    tiny_config: TrainConfig, share: float, factor: float
) -> None:
    """The schedule is a trapezoid over the share of the run that is done."""
    recipe = replace(tiny_config.recipe, warmup_share=0.1, decay_share=0.5)
    assert factor == pytest.approx(rate_factor(share, recipe))


def test_rates_may_be_constant(tiny_config: TrainConfig) -> None:
    """Without warm-up and decay the factor is one throughout."""
    recipe = replace(tiny_config.recipe, warmup_share=0.0, decay_share=0.0)
    assert [1.0, 1.0] == [rate_factor(share, recipe) for share in (0.0, 0.99)]
