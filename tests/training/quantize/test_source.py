"""Checkpoints that cannot be quantised here are refused before any work."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from lsp_server.errors import MidfillError, ModelIntegrityError, QuantizeError
from training.quantize.quantisers import AUTO_GPTQ, GPTQMODEL
from training.quantize.source import (
    Source,
    check_group_size,
    needed_bytes,
    read_source,
    require_memory,
)

Raw: TypeAlias = dict[str, object]
EditJson: TypeAlias = Callable[[Path, Callable[[Raw], object]], None]


def read_for_auto_gptq(folder: Path) -> Source:
    """Read a checkpoint for auto-gptq to quantise."""
    return read_source(folder, AUTO_GPTQ)


def test_describes_the_checkpoint(tiny_source: Path) -> None:
    """What the manifest needs is read from config and headers alone."""
    source = read_for_auto_gptq(tiny_source)
    assert "LlamaForCausalLM" == source.architecture
    assert 256 == source.context_length
    assert "float16" == source.dtype
    assert source.ties_embeddings
    assert 14 == len(source.linear_layers)
    assert (32, 64) == source.linear_layers["model.layers.1.self_attn.k_proj"].shape
    per_layer = 2 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64
    assert 264 * 64 + 64 + 2 * per_layer == source.parameters
    content = (tiny_source / "model.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == source.sha256()


def test_takes_all_shards(tiny_source: Path) -> None:
    """Several files are one checkpoint, and have one hash together."""
    whole = read_for_auto_gptq(tiny_source)
    shutil.copy(tiny_source / "model.safetensors", tiny_source / "second.safetensors")
    both = read_for_auto_gptq(tiny_source)
    assert ("model.safetensors", "second.safetensors") == both.weight_files
    assert whole.tensors == both.tensors
    digest = whole.sha256()
    lines = f"{digest}  model.safetensors\n{digest}  second.safetensors\n"
    assert hashlib.sha256(lines.encode()).hexdigest() == both.sha256()


@pytest.fixture
def unjudged_source(tiny_source: Path, edit_json: EditJson) -> Path:
    """A checkpoint of a type whose tensors are not compared with its sizes."""
    edit_json(tiny_source / "config.json", lambda c: c.update(model_type="gpt_bigcode"))
    return tiny_source


def test_a_tied_output_layer_counts_once(
    unjudged_source: Path, write_weights: Callable[..., None]
) -> None:
    """A second copy of the embedding is no weight more."""
    embedding = {"model.embed_tokens.weight": ("F16", (4, 8))}
    head = {"lm_head.weight": ("F16", (4, 8))}
    write_weights(unjudged_source / "model.safetensors", embedding | head)
    assert 32 == read_for_auto_gptq(unjudged_source).parameters


@pytest.mark.parametrize(
    ("stated", "dtype"),
    [
        ({"torch_dtype": "float16"}, "float16"),
        ({"torch_dtype": "float32"}, "bfloat16"),
        ({"dtype": "float16", "torch_dtype": "bfloat16"}, "float16"),
        ({}, "bfloat16"),
    ],
)
def test_other_weights_become_sixteen_bit(
    tiny_source: Path, edit_json: EditJson, stated: Raw, dtype: str
) -> None:
    """vLLM runs GPTQ in a 16-bit type; float32 becomes bfloat16."""

    def state(config: Raw) -> None:
        del config["torch_dtype"]
        config.update(stated)

    edit_json(tiny_source / "config.json", state)
    assert dtype == read_for_auto_gptq(tiny_source).dtype


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (shutil.rmtree, QuantizeError, "config.json is missing"),
        (lambda f: (f / "config.json").unlink(), QuantizeError, "no checkpoint"),
        (lambda f: (f / "config.json").write_text("["), ModelIntegrityError, "JSON"),
        (lambda f: (f / "config.json").write_text("[]"), QuantizeError, "an object"),
        (
            lambda f: (f / "tokenizer.json").unlink(),
            QuantizeError,
            "tokenizer.json is missing",
        ),
        (
            lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
            QuantizeError,
            "no safetensors file",
        ),
        (
            lambda f: (f / "model.safetensors").write_bytes(
                (f / "model.safetensors").read_bytes()[:-1]
            ),
            ModelIntegrityError,
            "header needs",
        ),
    ],
)
def test_refuses_an_incomplete_checkpoint(
    tiny_source: Path,
    damage: Callable[[Path], object],
    error: type[MidfillError],
    message: str,
) -> None:
    """A missing or truncated file is named."""
    damage(tiny_source)
    with pytest.raises(error, match=message):
        read_for_auto_gptq(tiny_source)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantization_config": {"bits": 4}}, "already quantised"),
        ({"auto_map": {"AutoModel": "x.Y"}}, "its own code"),
        (
            {"model_type": "qwen3"},
            '"qwen3".* Choose --backend gptqmodel, which can; .*gpt_bigcode, llama',
        ),
        ({"model_type": "mamba"}, '"mamba". Choose another model; it knows gemma'),
        ({"model_type": None}, "names no model type"),
    ],
)
def test_refuses_what_auto_gptq_cannot_do(
    tiny_source: Path, edit_json: EditJson, change: Raw, message: str
) -> None:
    """Architecture, earlier quantisation and foreign code are judged by the config."""
    edit_json(tiny_source / "config.json", lambda c: c.update(change))
    with pytest.raises(QuantizeError, match=message):
        read_for_auto_gptq(tiny_source)


def test_gptqmodel_knows_more(tiny_source: Path, edit_json: EditJson) -> None:
    """What the one refuses the other takes, and the other way round."""
    edit_json(tiny_source / "config.json", lambda c: c.update(model_type="starcoder2"))
    assert "starcoder2" == read_source(tiny_source, GPTQMODEL).config["model_type"]
    edit_json(tiny_source / "config.json", lambda c: c.update(model_type="gpt_bigcode"))
    with pytest.raises(QuantizeError, match="Choose --backend auto-gptq"):
        read_source(tiny_source, GPTQMODEL)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("architectures", "names no architecture"),
        ("max_position_embeddings", "no context length"),
    ],
)
def test_a_config_must_say_what_the_manifest_needs(
    tiny_source: Path, edit_json: EditJson, key: str, message: str
) -> None:
    """What is missing in the config is not made up."""
    edit_json(tiny_source / "config.json", lambda c: c.pop(key))
    source = read_for_auto_gptq(tiny_source)
    with pytest.raises(QuantizeError, match=message):
        _ = source.architecture, source.context_length


@pytest.mark.parametrize(
    ("group_size", "message"),
    [
        (32, None),
        (64, None),
        (128, "64 inputs .* cannot be divided into groups of 128"),
        (16, "group size 16 cannot run"),
        (0, "group size 0 cannot run"),
        (-1, "group size -1 cannot run"),
    ],
)
def test_groups_must_divide_every_layer(
    tiny_source: Path, group_size: int, message: str | None
) -> None:
    """A size that leaves a remainder in any layer is refused, and the layer named."""
    source = read_for_auto_gptq(tiny_source)
    if message is None:
        check_group_size(source, group_size)
        return
    with pytest.raises(QuantizeError, match=message):
        check_group_size(source, group_size)


def test_features_must_fill_the_kernels_lanes(
    unjudged_source: Path, write_weights: Callable[..., None]
) -> None:
    """Outputs that are no multiple of 32 cannot run, however the groups divide."""
    write_weights(
        unjudged_source / "model.safetensors",
        {"model.layers.0.mlp.up_proj.weight": ("F16", (40, 64))},
    )
    with pytest.raises(QuantizeError, match="lanes of 32"):
        check_group_size(read_for_auto_gptq(unjudged_source), 64)


def test_a_checkpoint_without_layers_is_refused(
    unjudged_source: Path, write_weights: Callable[..., None]
) -> None:
    """Where nothing would be quantised, nothing is pretended."""
    write_weights(unjudged_source / "model.safetensors", {"norm.weight": ("F16", (4,))})
    with pytest.raises(QuantizeError, match="no linear layers"):
        check_group_size(read_for_auto_gptq(unjudged_source), 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tie_word_embeddings": False}, r"lm_head\.weight is missing"),
        (
            {"num_hidden_layers": 99},
            r"input_layernorm\.weight is missing, and \d+ more",
        ),
        ({"intermediate_size": 32}, "gate_proj.weight is .* instead of 32 x"),
        ({"attention_bias": True}, r"q_proj\.bias is missing"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_before_any_work(
    tiny_source: Path, edit_json: EditJson, change: Raw, message: str
) -> None:
    """Quantising would take minutes, and the result answer nothing."""
    edit_json(tiny_source / "config.json", lambda c: c.update(change))
    with pytest.raises(ModelIntegrityError, match=message):
        read_for_auto_gptq(tiny_source)


def test_the_tiny_checkpoint_is_one(tiny_source: Path) -> None:
    """The checkpoint of these tests has the shape that its config says."""
    config = json.loads((tiny_source / "config.json").read_text())
    tensors = read_for_auto_gptq(tiny_source).tensors
    assert (config["vocab_size"], config["hidden_size"]) == tensors[
        "model.embed_tokens.weight"
    ].shape


GIB = 1 << 30


def test_comparing_holds_the_model_twice(tiny_source: Path) -> None:
    """Two models in float32, logits of a sample four times, and the libraries."""
    source = read_for_auto_gptq(tiny_source)
    expected = GIB + 2 * 4 * source.parameters + 4 * 200 * 264 * 4
    assert expected == needed_bytes(source, samples=1, sample_tokens=200)


def test_many_samples_count(tiny_source: Path) -> None:
    """The states of all samples lie in memory while a layer is quantised."""
    source = read_for_auto_gptq(tiny_source)
    states = 2 * 10_000 * 200 * 64 * 4
    expected = GIB + 4 * source.parameters + states + 4 * 128**2 * 4
    assert expected == needed_bytes(source, samples=10_000, sample_tokens=200)


def test_what_does_not_fit_is_refused(tiny_source: Path) -> None:
    """The error has the need and what is free."""
    source = read_for_auto_gptq(tiny_source)
    needed = needed_bytes(source, samples=1, sample_tokens=1)
    require_memory(source, samples=1, sample_tokens=1, available_bytes=needed)
    with pytest.raises(QuantizeError, match=r"about 2 GiB of memory, and 1\.0 GiB"):
        require_memory(source, samples=1, sample_tokens=1, available_bytes=needed - 1)
