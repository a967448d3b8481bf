"""The network compiles whole, and a token sees only what it may."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from training.train.config import TrainConfig
from training.train.meter import sum_losses
from training.train.network import (
    Decoder,
    _block_mask,
    apart_mask,
    attend,
    flops_per_token,
)


@pytest.fixture
def network(tiny_config: TrainConfig) -> Decoder:
    """Return a network with random weights."""
    torch.manual_seed(0)
    return Decoder(replace(tiny_config.shape, layers=1), vocabulary_size=64)


def test_reads_no_future(network: Decoder) -> None:
    """A later token changes no earlier logits."""
    tokens = torch.randint(0, 64, (1, 20))
    other = tokens.clone()
    other[0, 12] = (other[0, 12] + 1) % 64
    before, after = network(tokens), network(other)
    torch.testing.assert_close(before[:, :12], after[:, :12])
    assert not torch.allclose(before[:, 12:], after[:, 12:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_compiles_whole(network: Decoder, dtype: torch.dtype) -> None:
    """There is no break in the graph, and the losses and gradients are the same."""
    rows = torch.randint(0, 3, (2, 2, 33))
    found = []
    compiled = torch.compile(
        sum_losses, dynamic=False, fullgraph=True, backend="aot_eager"
    )
    for run in (sum_losses, compiled):
        network.zero_grad()
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            sums = run(network, rows)
        torch.autograd.backward([sums.sum()])
        found.append((sums.detach(), network.embed_tokens.weight.grad))
    torch.testing.assert_close(*found, rtol=0.02, atol=0.02)


def test_starter_takes_what_was_reckoned(tiny_config: TrainConfig) -> None:
    """Six operations a weight, and half a row of attention for each layer."""
    shape = replace(tiny_config.shape, layers=12, heads=12, head_size=64)
    assert 6 * 88e6 + 6 * 12 * 768 * 2048 == flops_per_token(
        shape, parameters=88_000_000, row_tokens=2048
    )


NUMBERS = torch.tensor([[0] * 5 + [1] * 20 + [2] * 7])


def draw(*shape: int) -> Tensor:
    """Return what every run draws alike."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_an_example_sees_no_other(tiny_config: TrainConfig) -> None:
    """Each example's logits are those of a row with nothing else in it."""
    torch.manual_seed(0)
    network = Decoder(tiny_config.shape, vocabulary_size=50)
    tokens = torch.randint(0, 50, (1, 32), generator=torch.Generator().manual_seed(0))
    together = network(tokens, apart_mask(NUMBERS))
    begin = 0
    for length in (5, 20, 7):
        end = begin + length
        alone = network(tokens[:, begin:end])
        torch.testing.assert_close(together[:, begin:end], alone, rtol=1e-4, atol=1e-5)
        begin = end
    joined = network(tokens)
    assert not torch.allclose(joined[:, 5:], together[:, 5:], atol=1e-3)


def test_both_ways_to_mask_are_one() -> None:
    """What a GPU computes by blocks is what the whole mask says."""
    query, key, value = draw(1, 4, 32, 16), draw(1, 2, 32, 16), draw(1, 2, 32, 16)
    whole = attend(query, key, value, apart_mask(NUMBERS))
    compiled = torch.compile(attend, backend="eager")
    torch.testing.assert_close(whole, compiled(query, key, value, _block_mask(NUMBERS)))
