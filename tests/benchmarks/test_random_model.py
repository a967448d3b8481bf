"""A folder with random weights passes every check of the server."""

from pathlib import Path

import pytest

from benchmarks.random_model import SHAPES, make_random_model, parameters
from lsp_server.config import Device
from lsp_server.service.loaded_model import load_model


def test_the_server_accepts_it(tmp_path: Path) -> None:
    """Manifest, hashes, tokenizer, sentinels and tensors hold; there is no weight."""
    folder = make_random_model(tmp_path, "tiny")
    model = load_model(str(folder), Device.CPU)
    assert "random-tiny" == model.manifest.name
    assert "gptq" == (
        model.manifest.quantisation and model.manifest.quantisation.method
    )
    weights = (folder / "model.safetensors").stat()
    assert weights.st_blocks * 512 < weights.st_size / 100


def test_the_7b_shape_has_seven_billion_weights() -> None:
    """It is of the size that it is named for."""
    assert 7.5 == pytest.approx(parameters(SHAPES["7b"]) / 1e9, abs=0.3)
