"""Examples that stand apart in a row are read as if each were alone."""

import torch
from torch import Tensor

from training.train.attention import _block_mask, apart_mask, attend
from training.train.config import TrainConfig
from training.train.network import Decoder

NUMBERS = torch.tensor([[0] * 5 + [1] * 20 + [2] * 7])


def draw(*shape: int) -> Tensor:
    """Give what every run draws alike."""
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
