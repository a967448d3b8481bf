"""A folder with random weights passes every check of the server."""

from pathlib import Path

import pytest

from benchmarks.random_model import SHAPES, make_random_model
from lsp_server.config import Device
from lsp_server.service.loaded_model import load_model


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_the_server_accepts_it(shape: str, tmp_path: Path) -> None:
    """Manifest, hashes, tokenizer and sentinels hold; only the weights are missing."""
    model = load_model(str(make_random_model(tmp_path, shape)), Device.CPU)
    assert f"random-{shape}" == model.manifest.name
    assert "gptq" == (
        model.manifest.quantisation and model.manifest.quantisation.method
    )


def test_the_7b_shape_has_seven_billion_weights(tmp_path: Path) -> None:
    """It is of the size that it is named for."""
    model = load_model(str(make_random_model(tmp_path, "7b")), Device.CPU)
    assert 7.5 == pytest.approx(model.manifest.parameters / 1e9, abs=0.3)
