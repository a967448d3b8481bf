"""Saves a trained network as a folder that transformers and vLLM load; reads it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lsp_server.errors import TrainingError
from lsp_server.files import WholeFolder
from training.corpus.attribution import ATTRIBUTION, merge_attributions
from training.train.config import Shape
from training.train.network import Decoder

__all__ = ["load_weights", "save_model"]

_PREFIX = "model."
_READABLE = 0o644
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def save_model(
    network: Decoder,
    folder: Path,
    *,
    shape: Shape,
    tokenizer: Path,
    attributions: Sequence[Path],
    end_id: int,
    dtype: torch.dtype,
) -> None:
    """Write ``config.json``, weights, tokenizer and attribution into ``folder``.

    The folder appears whole or not at all, in place of an older one of that name.

    Args:
        network: The weights.
        folder: The folder to write.
        shape: The network's sizes.
        tokenizer: Folder with the tokenizer's files.
        attributions: Lists of the packages that the network has read; those that
            exist become one.
        end_id: The token that begins and ends a document.
        dtype: Type of the saved weights.

    Raises:
        TrainingError: It cannot be written.
    """
    tensors = {
        f"{_PREFIX}{name}": weight.detach().to("cpu", dtype).contiguous()
        for name, weight in network.state_dict().items()
    }
    described = _config(shape, len(network.embed_tokens.weight), end_id)
    described["torch_dtype"] = str(dtype).removeprefix("torch.")
    whole = WholeFolder(
        output=folder,
        holds="model",
        error=TrainingError,
        if_full="Make room, and resume",
        if_refused="Choose another folder, and resume",
    )
    with whole.unfinished() as unfinished:
        model = unfinished / "model"
        model.mkdir()
        weights = model / "model.safetensors"
        save_file(tensors, weights, {"format": "pt"})
        # safetensors makes the file readable for its owner alone.
        weights.chmod(_READABLE)
        (model / "config.json").write_text(
            json.dumps(described, indent=2) + "\n", encoding="utf-8"
        )
        for path in (tokenizer / name for name in _TOKENIZER_FILES):
            if path.exists():
                shutil.copyfile(path, model / path.name)
        lists = [path.read_text("utf-8") for path in attributions if path.exists()]
        if lists:
            merged = merge_attributions(lists)
            (model / ATTRIBUTION).write_text(merged, encoding="utf-8")
        whole.replace(model)


def load_weights(network: Decoder, folder: Path) -> None:
    """Set the network's weights to those of a folder that `save_model` wrote.

    Raises:
        TrainingError: There are none, or they are of a network of another shape.
    """
    try:
        tensors = load_file(folder / "model.safetensors")
        network.load_state_dict(
            {name.removeprefix(_PREFIX): weight for name, weight in tensors.items()}
        )
    except (OSError, SafetensorError, RuntimeError) as exc:
        raise TrainingError(
            f"the weights cannot be used: {exc}",
            subject=str(folder),
            remedy="Name the folder of a model that was trained with this shape",
        ) from exc


def _config(shape: Shape, vocabulary_size: int, end_id: int) -> dict[str, object]:
    named: dict[str, object]
    if shape.qk_norm:
        named = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}
    else:
        named = {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "mlp_bias": False,
        }
    return named | {
        "hidden_size": shape.hidden,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_size,
        "vocab_size": vocabulary_size,
        "max_position_embeddings": shape.context_tokens,
        "rms_norm_eps": shape.norm_epsilon,
        "rope_theta": shape.rope_theta,
        "hidden_act": "silu",
        "attention_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": end_id,
        "eos_token_id": end_id,
    }
