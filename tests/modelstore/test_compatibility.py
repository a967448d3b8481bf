"""What vLLM cannot run is refused with the reason, before vLLM sees it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from lsp_server.config import SHIPPED_MODEL
from lsp_server.errors import ModelError, ModelIntegrityError, UnsupportedModelError
from lsp_server.modelstore.compatibility import (
    check_quantisation,
    read_tensors,
    require_fit,
)
from lsp_server.modelstore.locate import shipped_models
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.modelstore.model_files import TensorEntry

Raw: TypeAlias = dict[str, object]
EditJson: TypeAlias = Callable[[Path, Callable[[Raw], object]], None]


def change_both(folder: Path, edit_json: EditJson, key: str, value: object) -> None:
    """Set a key of the quantisation in manifest and config alike."""
    config_key = {"method": "quant_method"}.get(key, key)
    edit_json(folder / "manifest.json", lambda m: _inner(m, "quantisation", key, value))
    edit_json(
        folder / "config.json",
        lambda c: _inner(c, "quantization_config", config_key, value),
    )


def _inner(raw: Raw, section: str, key: str, value: object) -> None:
    inner = raw[section]
    assert isinstance(inner, dict)
    inner[key] = value


@pytest.mark.parametrize(
    ("change", "device", "reason"),
    [
        (("group_size", 64), "cpu", None),
        (("group_size", 128), "cpu", None),
        (("group_size", 32), "cuda", None),
        (("group_size", -1), "cuda", None),
        (("group_size", 16), "cuda", "group size 16"),
        (("group_size", 0), "cpu", "group size 0"),
        (("bits", 8), "cuda", None),
        (("bits", 8), "cpu", "no 8-bit kernel for cpu"),
        (("bits", 3), "cuda", "no 3-bit kernel for cuda"),
        (("sym", False), "cuda", "asymmetric"),
        (("desc_act", True), "cpu", "desc_act"),
        (("method", "awq"), "cuda", "'awq' is not gptq"),
    ],
)
def test_knows_what_runs_where(
    model_folder: Path,
    edit_json: EditJson,
    change: tuple[str, object],
    device: Literal["cpu", "cuda"],
    reason: str | None,
) -> None:
    """Each kind of quantisation passes or is refused as vLLM's kernels demand."""
    change_both(model_folder, edit_json, *change)
    manifest = load_manifest(model_folder)
    if reason is None:
        check_quantisation(model_folder, manifest, device=device)
        return
    with pytest.raises(UnsupportedModelError, match=reason):
        check_quantisation(model_folder, manifest, device=device)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: _inner(c, "quantization_config", "bits", 8), "bits is 8"),
        (lambda c: c["quantization_config"].pop("sym"), "sym is null"),
        (lambda c: c.pop("quantization_config"), "no quantization_config"),
        (lambda c: c.update(architectures=["Other"]), "architecture is not Llama"),
        (lambda c: c.pop("architectures"), "its architecture is not"),
    ],
)
def test_manifest_and_config_must_agree(
    model_folder: Path,
    edit_json: EditJson,
    change: Callable[[Raw], object],
    message: str,
) -> None:
    """vLLM reads config.json, so a manifest that says otherwise is worth nothing."""
    edit_json(model_folder / "config.json", change)
    with pytest.raises(ModelIntegrityError, match=message):
        check_quantisation(model_folder, load_manifest(model_folder), device="cpu")


def test_sixteen_bit_weights_need_no_kernel(
    model_folder: Path, edit_json: EditJson
) -> None:
    """A model that is not quantised passes, if its config says the same."""
    manifest = replace(load_manifest(model_folder), quantisation=None)
    with pytest.raises(ModelIntegrityError, match="which the manifest denies"):
        check_quantisation(model_folder, manifest, device="cpu")
    edit_json(model_folder / "config.json", lambda c: c.pop("quantization_config"))
    check_quantisation(model_folder, manifest, device="cpu")


def test_a_config_that_is_no_object_is_refused(model_folder: Path) -> None:
    """A list in config.json is an error of the model, not a crash."""
    (model_folder / "config.json").write_text("[]")
    with pytest.raises(ModelError, match="not an object"):
        check_quantisation(model_folder, load_manifest(model_folder), device="cpu")


STARTER = shipped_models()[SHIPPED_MODEL]
Tensors = dict[str, TensorEntry]


def starter() -> tuple[dict[str, object], Tensors]:
    """Read the shipped model's configuration and the heads of its weights."""
    config = json.loads((STARTER / "config.json").read_text(encoding="utf-8"))
    return config, read_tensors(STARTER)


def without(name: str) -> Callable[[Tensors], object]:
    """Make a change that takes a tensor away."""
    return lambda tensors: tensors.pop(name)


def reshaped(name: str, *shape: int) -> Callable[[Tensors], object]:
    """Make a change that gives a tensor another shape."""
    return lambda tensors: tensors.update({name: TensorEntry(dtype="I32", shape=shape)})


def test_the_shipped_model_fits() -> None:
    """Quantised layers, a tied embedding, and biases that it does not have."""
    config, tensors = starter()
    require_fit(STARTER, config, tensors)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("model.norm.weight"), r"model\.norm\.weight is missing\."),
        (
            without("model.layers.7.mlp.up_proj.qweight"),
            r"model\.layers\.7\.mlp\.up_proj\.weight is missing",
        ),
        (without("model.layers.3.self_attn.k_proj.scales"), "k_proj.scales is missing"),
        (
            reshaped("model.layers.0.mlp.down_proj.qweight", 255, 768),
            "down_proj.qweight is 255 x 768 instead of 256 x 768",
        ),
        (
            reshaped("model.embed_tokens.weight", 16383, 768),
            "embed_tokens.weight is 16383 x 768 instead of 16384 x 768",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(
    change: Callable[[Tensors], object], message: str
) -> None:
    """Missing, as where a shard was left out, or of another shape."""
    config, tensors = starter()
    change(tensors)
    with pytest.raises(ModelIntegrityError, match=message):
        require_fit(STARTER, config, tensors)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"tie_word_embeddings": False}, r"lm_head\.weight is missing"),
        (
            {"num_hidden_layers": 13},
            r"layers\.12\..* is missing, and 8 more do not fit",
        ),
        ({"model_type": "qwen2"}, r"q_proj\.bias is missing"),
        ({"model_type": "qwen3"}, r"q_norm\.weight is missing"),
        ({"num_key_value_heads": 12}, "k_proj.qweight is 96 x 256 instead of 96 x 768"),
    ],
)
def test_a_configuration_that_asks_for_more_is_reported(
    stated: dict[str, object], message: str
) -> None:
    """Untied embeddings need an output layer, and a family its biases and norms."""
    config, tensors = starter()
    with pytest.raises(ModelIntegrityError, match=message):
        require_fit(STARTER, {**config, **stated}, tensors)


def test_what_is_not_stated_is_the_types_own_default() -> None:
    """Gemma ties its embeddings where nothing is said, Llama does not."""
    config, tensors = starter()
    del config["tie_word_embeddings"]
    require_fit(STARTER, {**config, "model_type": "gemma"}, tensors)
    with pytest.raises(ModelIntegrityError, match="lm_head"):
        require_fit(STARTER, config, tensors)


@pytest.mark.parametrize(
    "stated", [{"model_type": "mamba"}, {"model_type": None}, {"hidden_size": "768"}]
)
def test_what_cannot_be_judged_is_left_to_the_engine(stated: dict[str, object]) -> None:
    """A type of other names, or sizes that are not there, refuse nothing."""
    config, _ = starter()
    require_fit(STARTER, {**config, **stated}, {})


def test_all_shards_are_read_and_held_to_their_index(tmp_path: Path) -> None:
    """A tensor that the index promises and its file lacks is an error."""
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    content = len(header).to_bytes(8, "little") + header + bytes(4)
    for number in (1, 2):
        name = header.replace(b"a", str(number).encode(), 1)
        (tmp_path / f"model-{number}.safetensors").write_bytes(
            content.replace(header, name)
        )
    index = tmp_path / "model.safetensors.index.json"
    weight_map = {"1": "model-1.safetensors", "2": "model-2.safetensors"}
    index.write_text(json.dumps({"weight_map": weight_map}))
    assert {"1", "2"} == set(read_tensors(tmp_path))
    index.write_text(
        json.dumps({"weight_map": weight_map | {"3": "model-2.safetensors"}})
    )
    with pytest.raises(ModelIntegrityError, match="names the tensor 3"):
        read_tensors(tmp_path)
