"""A run's folder returns what was saved, and a failed write leaves what was there."""

import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch

from lsp_server.errors import TrainingError
from training.corpus.attribution import ATTRIBUTION, render_attributions
from training.corpus.output import TRAIN, PackageEntry
from training.eval.model import trained_packages
from training.train.config import TrainConfig
from training.train.data import Position
from training.train.network import Decoder
from training.train.run_folder import (
    RunFolder,
    draw_losses,
    fingerprint,
)


@pytest.fixture
def network(tiny_config: TrainConfig) -> Decoder:
    """A network with weights that were never trained."""
    torch.manual_seed(0)
    return Decoder(tiny_config.shape, vocabulary_size=16384)


def packaged(name: str) -> PackageEntry:
    """Return a package to train on."""
    return PackageEntry(
        name=name,
        version="1.0",
        licence="MIT",
        home_page="",
        split=TRAIN,
        files=1,
        characters=1,
        sha256="",
    )


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
    folder.open_log(steps=0)
    save(folder, network)
    found = RunFolder(tmp_path / "out", tiny_config, processes=1).load()
    assert (3, 300, 1.5) == (found.step, found.tokens, found.elapsed_s)
    assert (Position(item=2, row=1),) == found.positions
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, found.network[name])


def test_a_checkpoint_is_for_as_many_processes(
    tiny_config: TrainConfig, network: Decoder, tmp_path: Path
) -> None:
    """Two processes do not go on where one stopped: their streams differ."""
    folder = RunFolder(tmp_path / "out", tiny_config, processes=1)
    folder.open_log(steps=0)
    save(folder, network)
    with pytest.raises(TrainingError, match="another configuration"):
        RunFolder(tmp_path / "out", tiny_config, processes=2).load()


def test_names_a_picture_that_cannot_be_written(
    tiny_config: TrainConfig, tmp_path: Path
) -> None:
    """The error says which file and what to do."""
    folder = RunFolder(tmp_path / "out", tiny_config, processes=1)
    folder.open_log(steps=0)
    (tmp_path / "out" / "loss.svg").mkdir()
    with pytest.raises(
        TrainingError, match=r"loss\.svg: the picture cannot be written"
    ):
        folder.draw()


def test_where_folders_are_does_not_matter(tiny_config: TrainConfig) -> None:
    """A run goes on elsewhere, with more workers, but not cut or shared otherwise."""
    data = tiny_config.data
    here = fingerprint(tiny_config, processes=1)
    elsewhere = replace(data, corpus="x", tokenizer="y", workers=9)
    assert here == fingerprint(replace(tiny_config, data=elsewhere), processes=1)
    cut = replace(data, middle_weight=0.5)
    assert here != fingerprint(replace(tiny_config, data=cut), processes=1)
    assert here != fingerprint(tiny_config, processes=2)


def test_picture_has_three_curves(tmp_path: Path) -> None:
    """Each loss is a line and points, also one point; equal logs give equal files."""
    log = [
        {"tokens": 1e6, "middle_loss": 5.0, "context_loss": 4.0},
        {"tokens": 2e6, "middle_loss": 4.0, "context_loss": math.nan},
        {"tokens": 2e6, "held_out_middle_loss": 5.5},
    ]
    for name in ("a.svg", "b.svg"):
        draw_losses(log, tmp_path / name)
    drawn = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert drawn == (tmp_path / "b.svg").read_text(encoding="utf-8")
    root = ET.fromstring(drawn)  # noqa: S314  # written a line above
    svg = "{http://www.w3.org/2000/svg}"
    texts = {each.text for each in root.iter(f"{svg}text")}
    assert {"middle", "context", "held out middle", "million tokens"} <= texts
    groups = {each.get("id"): each for each in root.iter(f"{svg}g")}
    found = [groups[name] for name in ("middle", "context", "held_out_middle")]
    lines = [next(each.iter(f"{svg}path")).get("d", "") for each in found]
    assert [2, 1, 1] == [line.count("M") + line.count("L") for line in lines]
    assert [2, 1, 1] == [len([*each.iter(f"{svg}use")]) for each in found]


def test_picture_of_an_empty_log(tmp_path: Path) -> None:
    """A run that was paused at once has a picture without curves."""
    draw_losses([], tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_all_that_was_read_is_named(
    tiny_config: TrainConfig, network: Decoder, tmp_path: Path
) -> None:
    """A model that began with another's weights has read the other's packages too."""
    names = {"shards": ("one", "two"), "weights": ("Three", "two")}
    for name, read in names.items():
        packages = [packaged(each) for each in read]
        (tmp_path / name).mkdir()
        text = render_attributions(packages)[ATTRIBUTION]
        (tmp_path / name / ATTRIBUTION).write_text(text, encoding="utf-8")
    data = replace(tiny_config.data, corpus=str(tmp_path / "shards"))
    folder = RunFolder(
        tmp_path / "out",
        replace(tiny_config, data=data),
        processes=1,
        weights=tmp_path / "weights",
    )
    save(folder, network)
    model = tmp_path / "out" / "model"
    assert frozenset({"one", "two", "three"}) == trained_packages(model)
    assert "source of 3 packages" in (model / ATTRIBUTION).read_text(encoding="utf-8")
