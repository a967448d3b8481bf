"""Models are found, checked, and never guessed about."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.config import SHIPPED_MODEL, Device
from lsp_server.errors import (
    EvaluationError,
    ModelIntegrityError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from lsp_server.modelstore.locate import locate, shipped_models
from lsp_server.modelstore.manifest import load_manifest
from training.eval.model import (
    EvaluatedModel,
    ModelArgument,
    load_evaluated_model,
    parse_model_argument,
)

WriteWeights = Callable[..., None]


@pytest.fixture
def bare_folder(tmp_path: Path, write_weights: WriteWeights) -> Path:
    """Return a 16-bit checkpoint with the shipped tokenizer, and no manifest."""
    folder = tmp_path / "bare"
    folder.mkdir()
    shutil.copy(shipped_models()[SHIPPED_MODEL] / "tokenizer.json", folder)
    config = {"max_position_embeddings": 512, "torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config))
    write_weights(folder / "model.safetensors", {"a": ("BF16", (2, 2))})
    return folder


@pytest.mark.parametrize(
    ("text", "name", "place", "family"),
    [
        ("folder", "", "folder", ""),
        ("pilot=folder", "pilot", "folder", ""),
        ("pilot=folder:midfill", "pilot", "folder", "midfill"),
        ("a/folder:qwen2.5-coder", "", "a/folder", "qwen2.5-coder"),
        ("a b-1.2=x=y", "a b-1.2", "x=y", ""),
    ],
)
def test_parse(text: str, name: str, place: str, family: str) -> None:
    """Name and family are set off by their signs."""
    parsed = parse_model_argument(text)
    assert ModelArgument(name=name, place=place, family=family) == parsed


def test_folder_with_a_colon(tmp_path: Path) -> None:
    """A folder of the whole name is meant, if there is one."""
    folder = tmp_path / "one:two"
    folder.mkdir()
    parsed = parse_model_argument(str(folder))
    assert ModelArgument(name="", place=str(folder)) == parsed


@pytest.mark.parametrize("text", ["", "name=", "=folder", "\n=folder"])
def test_parse_refuses(text: str) -> None:
    """Without a name before the sign, or a folder behind it, nothing is meant."""
    with pytest.raises(EvaluationError, match="NAME=FOLDER"):
        parse_model_argument(text)


def test_shipped_model(model: EvaluatedModel) -> None:
    """The manifest tells everything."""
    manifest = load_manifest(locate(SHIPPED_MODEL))
    assert (SHIPPED_MODEL, manifest.family, 2048, "gptq") == (
        model.name,
        model.family.name,
        model.context_length,
        model.method,
    )
    assert "gptq 4 bit, group" in model.weights
    assert ["model.safetensors"] == list(model.sha256)


def test_without_manifest(bare_folder: Path) -> None:
    """The entrant tells the family, and config.json the rest."""
    entrant = ModelArgument(name="pilot", place=str(bare_folder), family="midfill")
    loaded = load_evaluated_model(entrant, Device.CPU)
    assert ("pilot", "midfill", 512, "", "bfloat16") == (
        loaded.name,
        loaded.family.name,
        loaded.context_length,
        loaded.method,
        loaded.weights,
    )
    assert 64 == len(loaded.sha256["model.safetensors"])


def test_without_manifest_but_quantised(bare_folder: Path) -> None:
    """A checkpoint that is quantised says so to the engine."""
    config = {
        "max_position_embeddings": 64,
        "quantization_config": {"quant_method": "gptq"},
    }
    (bare_folder / "config.json").write_text(json.dumps(config))
    entrant = ModelArgument(name="", place=str(bare_folder), family="midfill")
    loaded = load_evaluated_model(entrant, Device.CPU)
    assert ("bare", "gptq") == (loaded.name, loaded.method)


def test_family_is_never_guessed(bare_folder: Path) -> None:
    """Without manifest and family there is an error, and with both there is one."""
    with pytest.raises(EvaluationError, match="FOLDER:midfill"):
        load_evaluated_model(ModelArgument(name="", place=str(bare_folder)), Device.CPU)
    with pytest.raises(EvaluationError, match="manifest names it"):
        load_evaluated_model(
            ModelArgument(name="", place=SHIPPED_MODEL, family="midfill"), Device.CPU
        )


def test_refused_models(bare_folder: Path, tmp_path: Path) -> None:
    """What is missing, of no known family, unreadable or unsafe does not take part."""
    missing = ModelArgument(name="", place=str(tmp_path / "missing"))
    with pytest.raises(ModelNotFoundError):
        load_evaluated_model(missing, Device.CPU)
    with pytest.raises(UnsupportedModelError):
        load_evaluated_model(
            ModelArgument(name="", place=str(bare_folder), family="unheard"), Device.CPU
        )
    named = ModelArgument(name="", place=str(bare_folder), family="midfill")
    (bare_folder / "config.json").write_text("{}")
    with pytest.raises(ModelIntegrityError):
        load_evaluated_model(named, Device.CPU)
    (bare_folder / "extra.py").touch()
    with pytest.raises(UnsafeModelError):
        load_evaluated_model(named, Device.CPU)
