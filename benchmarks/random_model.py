"""Model folders of real shapes without weights, for timing what has not been trained.

The folder passes every check of the server: it has a manifest, hashes, a tokenizer and
all tensors in their shapes. They are zeros that take no space on the disk; the
benchmark's server lets vLLM make weights up.
"""

import datetime
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from lsp_server.config import SHIPPED_MODEL
from lsp_server.modelstore.locate import locate
from lsp_server.modelstore.manifest import (
    Manifest,
    Provenance,
    Quantisation,
    write_manifest,
)
from lsp_server.modelstore.verify import describe_files

__all__ = ["SHAPES", "make_random_model", "parameters"]

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
_ITEM_BYTES: Mapping[str, int] = {"F16": 2, "I32": 4}
_CONTEXT_LENGTH = 4096


def make_random_model(folder: Path, shape: str) -> Path:
    """Make the folder of a GPTQ model of this shape, with the shipped tokenizer.

    The vocabulary is as large as the shape says; ids beyond the tokenizer's are text
    of no characters.
    """
    sizes = SHAPES[shape]
    shipped = locate(SHIPPED_MODEL)
    home = folder / f"random-{shape}"
    home.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(shipped / name, home / name)
    _write_config(home / "config.json", sizes)
    _write_zeros(home / "model.safetensors", sizes)
    manifest = Manifest(
        name=home.name,
        family="midfill",
        architecture="Qwen2ForCausalLM",
        tokenizer="tokenizer.json",
        context_length=_CONTEXT_LENGTH,
        parameters=parameters(sizes),
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


def _write_zeros(path: Path, sizes: Mapping[str, int]) -> None:
    """Write a safetensors file whose data is one hole, which reads as zeros."""
    header: dict[str, object] = {}
    end = 0
    for name, dtype, shape in _tensors(sizes):
        start, end = end, end + math.prod(shape) * _ITEM_BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        os.truncate(file.fileno(), 8 + len(text) + end)


def _tensors(sizes: Mapping[str, int]) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Yield name, type and shape of every tensor of a Qwen2 model in GPTQ, 4 bit."""
    hidden, inner = sizes["hidden_size"], sizes["intermediate_size"]
    keys = hidden // sizes["num_attention_heads"] * sizes["num_key_value_heads"]
    for name in ("model.embed_tokens", "lm_head"):
        yield f"{name}.weight", "F16", (sizes["vocab_size"], hidden)
    yield "model.norm.weight", "F16", (hidden,)
    for number in range(sizes["num_hidden_layers"]):
        layer = f"model.layers.{number}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield f"{layer}.{norm}.weight", "F16", (hidden,)
        for name, width in {"q": hidden, "k": keys, "v": keys}.items():
            yield f"{layer}.self_attn.{name}_proj.bias", "F16", (width,)
            yield from _packed(f"{layer}.self_attn.{name}_proj", hidden, width)
        yield from _packed(f"{layer}.self_attn.o_proj", hidden, hidden)
        yield from _packed(f"{layer}.mlp.gate_proj", hidden, inner)
        yield from _packed(f"{layer}.mlp.up_proj", hidden, inner)
        yield from _packed(f"{layer}.mlp.down_proj", inner, hidden)


def _packed(
    name: str, inputs: int, outputs: int
) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Yield the tensors of one 4-bit layer; a word holds eight weights."""
    groups = inputs // _GROUP_SIZE
    yield f"{name}.qweight", "I32", (inputs // 8, outputs)
    yield f"{name}.qzeros", "I32", (groups, outputs // 8)
    yield f"{name}.scales", "F16", (groups, outputs)
    yield f"{name}.g_idx", "I32", (inputs,)


def parameters(sizes: Mapping[str, int]) -> int:
    """Return the number of a Qwen2 model's weights, biases and norms left out."""
    hidden = sizes["hidden_size"]
    head = hidden // sizes["num_attention_heads"]
    attention = 2 * hidden * hidden + 2 * hidden * head * sizes["num_key_value_heads"]
    layer = attention + 3 * hidden * sizes["intermediate_size"]
    return sizes["num_hidden_layers"] * layer + 2 * sizes["vocab_size"] * hidden
