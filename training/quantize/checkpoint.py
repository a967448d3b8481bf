"""The quantised checkpoint: the files around its weights, and the checks on it."""

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

from lsp_server.errors import QuantizeError
from lsp_server.modelstore.model_files import (
    TensorEntry,
    damaged,
    read_header,
    read_json,
)
from training.quantize.backend import Comparison
from training.quantize.quantisers import BITS
from training.quantize.source import Source

__all__ = [
    "check_comparison",
    "check_structure",
    "write_model_files",
    "write_source_view",
]

_COPIED_FILES = (
    "ATTRIBUTION.md",
    "LICENSE",
    "NOTICE",
    "added_tokens.json",
    "generation_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
)
_CODES_PER_INT32 = 32 // BITS
_MAX_PERPLEXITY_RATIO = 1.25
"""Sound 4-bit weights cost a few hundredths; a wrong packing costs a hundredfold."""


def write_source_view(source: Source, folder: Path) -> None:
    """Make a folder of the source that transformers 4 and 5 read alike.

    transformers 5 keeps the rotary embedding's numbers in ``rope_parameters``; version
    4 ignores that key and silently takes a base of 10,000.

    Raises:
        OSError: It cannot be written.
    """
    config = dict(source.config)
    rope = config.get("rope_parameters")
    if isinstance(rope, dict) and "rope_theta" not in config:
        config["rope_theta"] = rope["rope_theta"]
        if rope.get("rope_type", "default") != "default":
            config["rope_scaling"] = {
                key: value for key, value in rope.items() if key != "rope_theta"
            }
    config["torch_dtype"] = source.dtype
    folder.mkdir()
    _write_json(folder / "config.json", config)
    indexes = [path.name for path in source.folder.glob("*.safetensors.index.json")]
    # GPTQModel insists on a tokenizer, though it has no use for it.
    tokenizer = [path.name for path in source.folder.glob("tokenizer*.json")]
    for name in (*source.weight_files, *indexes, *tokenizer):
        (folder / name).symlink_to((source.folder / name).resolve())


def write_model_files(source: Source, folder: Path, *, group_size: int) -> None:
    """Write everything of the model folder except weights and manifest.

    The chat template is left out of the tokenizer's settings: it is a program, and
    completion has no use for it.

    Raises:
        ModelIntegrityError: The tokenizer's settings cannot be read.
        OSError: A file cannot be written.
    """
    dtype_key = "dtype" if "dtype" in source.config else "torch_dtype"
    config = {
        **source.config,
        dtype_key: source.dtype,
        "quantization_config": {
            "quant_method": "gptq",
            "bits": BITS,
            "group_size": group_size,
            "sym": True,
            "desc_act": False,
            "lm_head": False,
            "checkpoint_format": "gptq",
        },
    }
    _write_json(folder / "config.json", config)
    for name in _COPIED_FILES:
        if (source.folder / name).is_file():
            shutil.copyfile(source.folder / name, folder / name)
    settings = source.folder / "tokenizer_config.json"
    if settings.is_file():
        content = read_json(settings)
        if not isinstance(content, dict):
            raise damaged(settings, "is not an object")
        _write_json(
            folder / settings.name,
            {key: content[key] for key in content if key != "chat_template"},
        )


def check_structure(source: Source, weights: Path, *, group_size: int) -> None:
    """Check that the file holds exactly the tensors that vLLM expects.

    Raises:
        QuantizeError: A tensor is missing, left over, or of another type or shape.
        ModelIntegrityError: The file is damaged.
    """
    found = read_header(weights)
    expected = _expected_tensors(source, group_size)
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise QuantizeError(
                f"the quantised tensor {name} is {found.get(name, 'missing')}, "
                f"expected {expected.get(name, 'none')}",
                subject=str(weights),
                remedy="Report this: the quantiser and Midfill do not fit together",
            )


def check_comparison(comparison: Comparison, *, source: Source) -> None:
    """Check that quantising did not break the model.

    Raises:
        QuantizeError: Its perplexity is far above the source's, or no number.
    """
    ratio = comparison.perplexity / comparison.source_perplexity
    if not (math.isfinite(ratio) and ratio <= _MAX_PERPLEXITY_RATIO):
        raise QuantizeError(
            f"the quantised model is much worse than its source: {comparison}",
            subject=str(source.folder),
            remedy="Calibrate with code of the kind that it was trained on, or with "
            "more samples, or choose a smaller group size",
        )


def _expected_tensors(source: Source, group_size: int) -> Mapping[str, TensorEntry]:
    layers = source.linear_layers
    packed = {f"{name}.weight" for name in layers}
    dtype = {"float16": "F16", "bfloat16": "BF16"}[source.dtype]
    expected = {
        name: TensorEntry(dtype=dtype, shape=entry.shape)
        for name, entry in source.tensors.items()
        if name not in packed
        and not (source.ties_embeddings and name == "lm_head.weight")
    }
    for name, entry in layers.items():
        outputs, inputs = entry.shape
        groups = inputs // group_size
        parts = {
            "qweight": ("I32", (inputs // _CODES_PER_INT32, outputs)),
            "qzeros": ("I32", (groups, outputs // _CODES_PER_INT32)),
            "scales": ("F16", (groups, outputs)),
            "g_idx": ("I32", (inputs,)),
        }
        for part, (part_dtype, shape) in parts.items():
            expected[f"{name}.{part}"] = TensorEntry(dtype=part_dtype, shape=shape)
    return expected


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(f"{json.dumps(content, indent=2)}\n", encoding="utf-8")
