"""A quantised file of the wrong form or worth is refused."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lsp_server.errors import QuantizeError
from training.quantize.source import read_source
from training.quantize.tool import AUTO_GPTQ
from training.quantize.verify import Comparison, check_comparison, check_structure

if TYPE_CHECKING:
    from training.quantize.backend import Quantizer

np = pytest.importorskip("numpy")
library = pytest.importorskip("safetensors.numpy")


@pytest.fixture
def weights(tiny_source: Path, tmp_path: Path, quantizer: "Quantizer") -> Path:
    """Give the quantised weights of the tiny checkpoint."""
    path = tmp_path / "quantised.safetensors"
    quantizer.quantise(tiny_source, path, group_size=32, samples=(), work=tmp_path)
    return path


def test_accepts_what_vllm_reads(tiny_source: Path, weights: Path) -> None:
    """Packed layers, all else as it was, and no second copy of tied weights."""
    check_structure(read_source(tiny_source, AUTO_GPTQ), weights, group_size=32)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model.layers.0.mlp.up_proj.g_idx", None),
        ("model.layers.0.mlp.up_proj.scales", "float32"),
        ("model.layers.0.mlp.up_proj.weight", "float16"),
        ("model.layers.0.mlp.up_proj.bias", "float16"),
        ("lm_head.weight", "float16"),
        ("model.norm.weight", "float32"),
    ],
)
def test_names_the_tensor_that_is_wrong(
    tiny_source: Path, weights: Path, name: str, value: str | None
) -> None:
    """A missing, additional or retyped tensor is named."""
    tensors = library.load_file(weights)
    if value is None:
        del tensors[name]
    else:
        tensors[name] = np.zeros(tensors.get(name, np.zeros(4)).shape, value)
    library.save_file(tensors, weights)
    with pytest.raises(QuantizeError, match=f"the quantised tensor {name} is"):
        check_structure(read_source(tiny_source, AUTO_GPTQ), weights, group_size=32)


def test_the_group_size_shows_in_the_shapes(tiny_source: Path, weights: Path) -> None:
    """Scales for another group size are not taken for these."""
    with pytest.raises(QuantizeError, match="qzeros"):
        check_structure(read_source(tiny_source, AUTO_GPTQ), weights, group_size=64)


@pytest.mark.parametrize(
    ("perplexity", "good"),
    [
        (10.0, True),
        (9.0, True),
        (12.4, True),
        (13.0, False),
        (float("nan"), False),
        (float("inf"), False),
    ],
)
def test_a_broken_model_is_refused(
    tiny_source: Path,
    perplexity: float,
    good: bool,  # noqa: FBT001  # a table's column
) -> None:
    """A perplexity far above the source's, or none at all, means broken weights."""
    comparison = Comparison(
        source_perplexity=10,
        perplexity=10,
        source_middle_perplexity=9,
        middle_perplexity=9,
        divergence_nats=0.01,
        same_choice=0.95,
        tokens=100,
        middle_tokens=10,
    )
    judged = replace(comparison, perplexity=perplexity)
    source = read_source(tiny_source, AUTO_GPTQ)
    if good:
        check_comparison(judged, source=source)
        return
    with pytest.raises(QuantizeError, match="much worse than its source: perplexity"):
        check_comparison(judged, source=source)
