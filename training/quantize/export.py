"""Lays out the files around the weights: for the quantiser, and for vLLM."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from lsp_server.modelstore.json_file import damaged, read_json
from training.quantize.source import Source
from training.quantize.tool import BITS

__all__ = ["write_model_files", "write_source_view"]

_CARRIED_OVER = (
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


def write_source_view(source: Source, folder: Path) -> None:
    """Make a folder of the source that transformers 4 and 5 read rightly.

    transformers 5 keeps the rotary embedding's numbers in ``rope_parameters``; version
    4 does not look there and silently takes a base of 10,000.

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
    # The tokenizer is for GPTQModel, which insists on one and has no use for it.
    tokenizer = [path.name for path in source.folder.glob("tokenizer*.json")]
    for name in (*source.weight_files, *indexes, *tokenizer):
        (folder / name).symlink_to((source.folder / name).resolve())


def write_model_files(source: Source, folder: Path, *, group_size: int) -> None:
    """Write everything of the model folder but weights and manifest.

    The chat template is left out of the tokenizer's settings: it is a program, and a
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
    for name in _CARRIED_OVER:
        if (source.folder / name).is_file():
            shutil.copyfile(source.folder / name, folder / name)
    settings = source.folder / "tokenizer_config.json"
    if settings.is_file():
        content = _object(settings)
        _write_json(
            folder / settings.name,
            {key: content[key] for key in content if key != "chat_template"},
        )


def _object(path: Path) -> Mapping[str, object]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise damaged(path, "is not an object")
    return content


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(f"{json.dumps(content, indent=2)}\n", encoding="utf-8")
