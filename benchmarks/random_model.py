"""Model folders of real shapes without weights, for timing what has not been trained.

The folder passes every check of the server: it has a manifest, hashes and a tokenizer.
Only its one weight file is empty; the benchmark's server lets vLLM make weights up.
"""

import datetime
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from models.locate import locate
from models.manifest import (
    Manifest,
    Provenance,
    Quantisation,
    describe_files,
    write_manifest,
)

__all__ = ["SHAPES", "make_random_model"]

#: Source: the ``config.json`` of Qwen2.5-Coder-7B; ``tiny`` has its proportions.
SHAPES: Mapping[str, Mapping[str, int]] = {
    "7b": {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
    },
    "tiny": {
        "hidden_size": 512,
        "intermediate_size": 1536,
        "num_hidden_layers": 2,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
    },
}

_GROUP_SIZE = 128
_CONTEXT_LENGTH = 4096


def make_random_model(folder: Path, shape: str) -> Path:
    """Make the folder of a GPTQ model of this shape, with the shipped tokenizer.

    The vocabulary is as large as the shape says; ids beyond the tokenizer's are text
    of no characters.
    """
    sizes = SHAPES[shape]
    shipped = locate("midfill-starter-88m")
    home = folder / f"random-{shape}"
    home.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(shipped / name, home / name)
    _write_config(home / "config.json", sizes)
    _write_empty_weights(home / "model.safetensors")
    manifest = Manifest(
        name=home.name,
        family="midfill",
        architecture="Qwen2ForCausalLM",
        tokenizer="tokenizer.json",
        context_length=_CONTEXT_LENGTH,
        parameters=_parameters(sizes),
        dtype="float16",
        licence="none",
        quantisation=Quantisation(
            method="gptq",
            bits=4,
            group_size=_GROUP_SIZE,
            sym=True,
            desc_act=False,
            tool="none",
        ),
        provenance=Provenance(
            source="random weights",
            source_sha256="0" * 64,
            calibration="none",
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            training="none",
        ),
        files=describe_files(home),
    )
    write_manifest(home, manifest)
    return home


def _write_config(path: Path, sizes: Mapping[str, int]) -> None:
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_act": "silu",
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "bos_token_id": 0,
        "eos_token_id": 0,
        **sizes,
        "quantization_config": {
            "quant_method": "gptq",
            "bits": 4,
            "group_size": _GROUP_SIZE,
            "sym": True,
            "desc_act": False,
            "lm_head": False,
            "checkpoint_format": "gptq",
        },
    }
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")


def _write_empty_weights(path: Path) -> None:
    """Write a safetensors file with one tensor of no elements."""
    tensor = {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({"model.norm.weight": tensor}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def _parameters(sizes: Mapping[str, int]) -> int:
    """Count the weights of a Qwen2 model, biases and norms left out."""
    hidden = sizes["hidden_size"]
    head = hidden // sizes["num_attention_heads"]
    attention = 2 * hidden * hidden + 2 * hidden * head * sizes["num_key_value_heads"]
    layer = attention + 3 * hidden * sizes["intermediate_size"]
    return sizes["num_hidden_layers"] * layer + 2 * sizes["vocab_size"] * hidden
