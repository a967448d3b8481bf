"""A run's folder gives back what was saved in it, and names what cannot be written."""

from pathlib import Path

import pytest
import torch

from lsp_server.errors import TrainingError
from training.train.config import TrainConfig
from training.train.data import Position
from training.train.network import Decoder
from training.train.run_folder import RunFolder


@pytest.fixture
def network(tiny_config: TrainConfig) -> Decoder:
    """A network with weights that were never trained."""
    torch.manual_seed(0)
    return Decoder(tiny_config.shape, vocabulary_size=16384)


def save(folder: RunFolder, network: Decoder) -> None:
    """Save the state behind the third step."""
    folder.save(
        network,
        optimiser={},
        step=3,
        tokens=300,
        elapsed_s=1.5,
        positions=(Position(item=2, row=1),),
        end_id=0,
    )


def test_gives_back_what_was_saved(
    tiny_config: TrainConfig, network: Decoder, tmp_path: Path
) -> None:
    """Counts, positions and every weight are those that were saved."""
    folder = RunFolder(tmp_path / "out", tiny_config, processes=1)
    folder.keep_log(steps=0)
    save(folder, network)
    found = RunFolder(tmp_path / "out", tiny_config, processes=1).saved()
    assert (3, 300, 1.5) == (found.step, found.tokens, found.elapsed_s)
    assert (Position(item=2, row=1),) == found.positions
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, found.network[name])


def test_a_checkpoint_is_for_as_many_processes(
    tiny_config: TrainConfig, network: Decoder, tmp_path: Path
) -> None:
    """Two processes do not go on where one stopped: their streams differ."""
    folder = RunFolder(tmp_path / "out", tiny_config, processes=1)
    folder.keep_log(steps=0)
    save(folder, network)
    with pytest.raises(TrainingError, match="another configuration"):
        RunFolder(tmp_path / "out", tiny_config, processes=2).saved()


def test_names_a_picture_that_cannot_be_written(
    tiny_config: TrainConfig, network: Decoder, tmp_path: Path
) -> None:
    """The checkpoint is saved by then."""
    folder = RunFolder(tmp_path / "out", tiny_config, processes=1)
    folder.keep_log(steps=0)
    (tmp_path / "out" / "loss.svg").mkdir()
    with pytest.raises(
        TrainingError, match=r"loss\.svg: the picture cannot be written"
    ):
        save(folder, network)
    assert 3 == folder.saved().step
