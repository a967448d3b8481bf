"""A checkpoint is written completely; one of wrong structure or quality is refused."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from lsp_server.errors import ModelIntegrityError, QuantizeError
from training.quantize.backend import Comparison
from training.quantize.checkpoint import (
    check_comparison,
    check_structure,
    write_model_files,
    write_source_view,
)
from training.quantize.quantisers import AUTO_GPTQ
from training.quantize.source import Source, read_source

if TYPE_CHECKING:
    from training.quantize.backend import Quantizer


Raw: TypeAlias = dict[str, object]
EditJson: TypeAlias = Callable[[Path, Callable[[Raw], object]], None]


def read_for_auto_gptq(folder: Path) -> Source:
    """Read a checkpoint for auto-gptq to quantise."""
    return read_source(folder, AUTO_GPTQ)


def read(path: Path) -> Raw:
    """Decode a JSON object."""
    content = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def test_carries_over_config_and_tokenizer(tiny_source: Path, tmp_path: Path) -> None:
    """Every key of the config stays; tokenizer and credits are the same bytes."""
    (tiny_source / "ATTRIBUTION.md").write_text("all of them", encoding="utf-8")
    (tiny_source / "modeling_tiny.py").touch()
    (tiny_source / "README.md").touch()
    (tiny_source / "chat_template.jinja").touch()
    output = tmp_path / "out"
    output.mkdir()
    write_model_files(read_for_auto_gptq(tiny_source), output, group_size=64)
    expected = {"config.json", "tokenizer.json", "tokenizer_config.json"}
    expected.add("ATTRIBUTION.md")
    assert expected == {path.name for path in output.iterdir()}
    assert "all of them" == (output / "ATTRIBUTION.md").read_text(encoding="utf-8")
    tokenizer = (tiny_source / "tokenizer.json").read_bytes()
    assert tokenizer == (output / "tokenizer.json").read_bytes()
    config = read(output / "config.json")
    quantization = config.pop("quantization_config")
    assert read(tiny_source / "config.json") == config
    assert {
        "quant_method": "gptq",
        "bits": 4,
        "group_size": 64,
        "sym": True,
        "desc_act": False,
        "lm_head": False,
        "checkpoint_format": "gptq",
    } == quantization


def test_leaves_out_the_chat_template(tiny_source: Path, tmp_path: Path) -> None:
    """A program in the tokenizer's settings is not carried over, the rest is."""
    write_model_files(read_for_auto_gptq(tiny_source), tmp_path, group_size=64)
    assert {"eos_token": "<|endoftext|>"} == read(tmp_path / "tokenizer_config.json")


def test_float32_is_not_kept(
    tiny_source: Path, tmp_path: Path, edit_json: EditJson
) -> None:
    """vLLM refuses GPTQ in float32, so the config says bfloat16."""
    edit_json(tiny_source / "config.json", lambda c: c.update(torch_dtype="float32"))
    write_model_files(read_for_auto_gptq(tiny_source), tmp_path, group_size=64)
    assert "bfloat16" == read(tmp_path / "config.json")["torch_dtype"]


def test_refuses_settings_that_are_none(tiny_source: Path, tmp_path: Path) -> None:
    """A tokenizer's settings that are a list are damaged."""
    (tiny_source / "tokenizer_config.json").write_text("[]")
    with pytest.raises(ModelIntegrityError, match="is not an object"):
        write_model_files(read_for_auto_gptq(tiny_source), tmp_path, group_size=64)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"rope_theta": 5.0}, {"rope_theta": 5.0}),
        (
            {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
            {"rope_theta": 1e6},
        ),
        (
            {
                "rope_parameters": {
                    "rope_type": "linear",
                    "factor": 4.0,
                    "rope_theta": 1e6,
                }
            },
            {
                "rope_theta": 1e6,
                "rope_scaling": {"rope_type": "linear", "factor": 4.0},
            },
        ),
    ],
    ids=["transformers 4", "default", "scaled"],
)
def test_older_transformers_reads_the_rotary_base(
    tiny_source: Path,
    tmp_path: Path,
    edit_json: EditJson,
    stated: Raw,
    expected: Raw,
) -> None:
    """Numbers that transformers 5 keeps elsewhere are put where 4 looks."""

    def state(config: Raw) -> None:
        del config["rope_theta"]
        config.update(stated)

    edit_json(tiny_source / "config.json", state)
    write_source_view(read_for_auto_gptq(tiny_source), tmp_path / "view")
    config = read(tmp_path / "view" / "config.json")
    found = {k: config[k] for k in ("rope_theta", "rope_scaling") if k in config}
    assert expected == found
    weights = (tiny_source / "model.safetensors").read_bytes()
    assert weights == (tmp_path / "view" / "model.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "default", "rope_theta": 1e6},
        {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e6},
    ],
    ids=["default", "scaled"],
)
def test_newer_transformers_reads_the_same(
    tiny_source: Path, tmp_path: Path, edit_json: EditJson, rope: Raw
) -> None:
    """What is added for transformers 4 changes nothing for the one beside vLLM."""

    def state(config: Raw) -> None:
        del config["rope_theta"]
        config["rope_parameters"] = rope

    edit_json(tiny_source / "config.json", state)
    write_source_view(read_for_auto_gptq(tiny_source), tmp_path / "view")
    script = (
        "import sys, transformers\n"
        "read = transformers.AutoConfig.from_pretrained\n"
        "first, second = (read(f).to_dict() for f in sys.argv[1:])\n"
        "assert first['rope_parameters']['rope_theta'] == 1e6, first\n"
        "assert first['rope_parameters'] == second['rope_parameters'], second"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tiny_source, tmp_path / "view"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert 0 == done.returncode, done.stderr


np = pytest.importorskip("numpy")
library = pytest.importorskip("safetensors.numpy")


@pytest.fixture
def weights(tiny_source: Path, tmp_path: Path, quantizer: "Quantizer") -> Path:
    """Return the quantised weights of the tiny checkpoint."""
    path = tmp_path / "quantised.safetensors"
    quantizer.quantise(tiny_source, path, group_size=32, samples=(), work=tmp_path)
    return path


def test_accepts_what_vllm_reads(tiny_source: Path, weights: Path) -> None:
    """Packed layers, all else as it was, and no second copy of tied weights."""
    check_structure(read_for_auto_gptq(tiny_source), weights, group_size=32)


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
        check_structure(read_for_auto_gptq(tiny_source), weights, group_size=32)


def test_the_group_size_shows_in_the_shapes(tiny_source: Path, weights: Path) -> None:
    """Scales for another group size are not taken for these."""
    with pytest.raises(QuantizeError, match="qzeros"):
        check_structure(read_for_auto_gptq(tiny_source), weights, group_size=64)


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
    source = read_for_auto_gptq(tiny_source)
    if good:
        check_comparison(judged, source=source)
        return
    with pytest.raises(QuantizeError, match="much worse than its source: perplexity"):
        check_comparison(judged, source=source)
