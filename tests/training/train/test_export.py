"""The saved folder is, to transformers, the network that was trained."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from lsp_server.errors import TrainingError
from lsp_server.modelstore.model_files import read_json
from lsp_server.modelstore.verify import refuse_unsafe
from training.train.config import TrainConfig
from training.train.export import load_weights, save_model
from training.train.network import Decoder


def random_network(config: TrainConfig, *, qk_norm: bool) -> Decoder:
    """Return a network whose norms are not all one."""
    torch.manual_seed(3)
    network = Decoder(replace(config.shape, qk_norm=qk_norm), vocabulary_size=512)
    for weight in network.parameters():
        if weight.dim() == 1:
            torch.nn.init.uniform_(weight, 0.5, 1.5)
        else:
            torch.nn.init.normal_(weight, std=0.3)
    return network


@pytest.mark.parametrize(
    ("qk_norm", "class_name"),
    [(False, "LlamaForCausalLM"), (True, "Qwen3ForCausalLM")],
)
def test_transformers_computes_the_same(
    tiny_config: TrainConfig,
    tokenizer_folder: Path,
    tmp_path: Path,
    *,
    qk_norm: bool,
    class_name: str,
) -> None:
    """Logits of random weights agree, and every weight is found."""
    network = random_network(tiny_config, qk_norm=qk_norm)
    save_model(
        network,
        tmp_path / "model",
        shape=replace(tiny_config.shape, qk_norm=qk_norm),
        tokenizer=tokenizer_folder,
        attributions=[tmp_path / "ATTRIBUTION.md"],
        end_id=0,
        dtype=torch.float32,
    )
    theirs, loading = AutoModelForCausalLM.from_pretrained(
        tmp_path / "model", output_loading_info=True, dtype=torch.float32
    )
    tokens = torch.randint(0, 512, (2, 100))
    with torch.no_grad():
        ours, expected = network(tokens), theirs(tokens).logits
    assert class_name == type(theirs).__name__
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-3)


def test_folder_is_safe_and_whole(
    tiny_config: TrainConfig, tokenizer_folder: Path, tmp_path: Path
) -> None:
    """It holds what a model needs and its credits, and replaces an older one."""
    network = random_network(tiny_config, qk_norm=False)
    folder = tmp_path / "models" / "model"
    folder.mkdir(parents=True)
    (folder / "older.txt").touch()
    (tmp_path / "ATTRIBUTION.md").touch()
    save_model(
        network,
        folder,
        shape=tiny_config.shape,
        tokenizer=tokenizer_folder,
        attributions=[tmp_path / "ATTRIBUTION.md"],
        end_id=0,
        dtype=torch.bfloat16,
    )
    assert (
        "ATTRIBUTION.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ) == refuse_unsafe(folder)
    assert 0o644 == (folder / "model.safetensors").stat().st_mode & 0o777
    described = read_json(folder / "config.json")
    assert isinstance(described, dict)
    assert ("bfloat16", 0) == (described["torch_dtype"], described["eos_token_id"])
    assert [folder] == list(folder.parent.iterdir())


def test_tells_that_it_cannot_save(
    tiny_config: TrainConfig, tokenizer_folder: Path, tmp_path: Path
) -> None:
    """A file where the folder's parent should be is reported as it is."""
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="the model cannot be written"):
        save_model(
            random_network(tiny_config, qk_norm=False),
            tmp_path / "file" / "model",
            shape=tiny_config.shape,
            tokenizer=tokenizer_folder,
            attributions=[tmp_path / "ATTRIBUTION.md"],
            end_id=0,
            dtype=torch.bfloat16,
        )


def saved(config: TrainConfig, tokenizer: Path, folder: Path) -> Decoder:
    """Return the network that lies in ``folder`` as it is."""
    network = random_network(config, qk_norm=False)
    save_model(
        network,
        folder,
        shape=config.shape,
        tokenizer=tokenizer,
        attributions=[folder / "ATTRIBUTION.md"],
        end_id=0,
        dtype=torch.float32,
    )
    return network


def test_reads_what_it_saved(
    tiny_config: TrainConfig, tokenizer_folder: Path, tmp_path: Path
) -> None:
    """Every weight comes back."""
    network = saved(tiny_config, tokenizer_folder, tmp_path / "model")
    read = Decoder(tiny_config.shape, vocabulary_size=512)
    load_weights(read, tmp_path / "model")
    assert all(
        torch.equal(weight, again)
        for weight, again in zip(network.parameters(), read.parameters(), strict=True)
    )


@pytest.mark.parametrize("what", ["no folder", "cut short", "another shape"])
def test_weights_of_no_use_are_refused(
    tiny_config: TrainConfig, tokenizer_folder: Path, tmp_path: Path, what: str
) -> None:
    """The error names the folder."""
    folder = tmp_path / "model"
    layers = tiny_config.shape.layers
    if what != "no folder":
        saved(tiny_config, tokenizer_folder, folder)
    if what == "cut short":
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1])
    if what == "another shape":
        layers += 1
    shape = replace(tiny_config.shape, layers=layers)
    with pytest.raises(TrainingError, match="the weights cannot be used") as caught:
        load_weights(Decoder(shape, vocabulary_size=512), folder)
    assert caught.value.subject == str(folder)
