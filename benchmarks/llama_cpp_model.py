"""The shipped model as a GGUF file, for llama.cpp.

GPTQ's 4-bit weights, symmetric in groups of 64, are llama.cpp's ``Q4_0`` with the same
integers: two of its blocks of 32 share a scale. So nothing is quantised again. Run with
the other environment's Python (see `llama_cpp_server`), which has ``gguf``.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

__all__ = ["write_gguf"]

_BLOCK = 32
_BITS = np.arange(0, 32, 4, dtype=np.uint32)
_TYPES: Mapping[str, str] = {"I32": "<u4", "F16": "<f2", "BF16": "<u2"}

Array = npt.NDArray[Any]


class _Weights:
    """The tensors of a checkpoint, read when they are asked for."""

    def __init__(self, path: Path) -> None:
        self._bytes = np.memmap(path, dtype=np.uint8, mode="r")
        (length,) = struct.unpack("<Q", self._bytes[:8].tobytes())
        self._head = json.loads(self._bytes[8 : 8 + length].tobytes())
        self._start = 8 + length

    def raw(self, name: str) -> Array:
        """Return a tensor in the type that the file has it in; bfloat16 as integers."""
        entry = self._head[name]
        low, high = (self._start + each for each in entry["data_offsets"])
        values = self._bytes[low:high].view(_TYPES[entry["dtype"]])
        return values.reshape(entry["shape"])

    def floats(self, name: str) -> Array:
        """Return a tensor as float32."""
        values = self.raw(name)
        if self._head[name]["dtype"] == "BF16":
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(np.float32)

    def q4_0(self, name: str, heads: int = 0) -> Array:
        """Return a GPTQ layer as ``Q4_0``: output rows of blocks of scale and nibbles.

        Args:
            name: The layer.
            heads: Of queries or keys: their number, for llama.cpp's order of the rows.
        """
        packed = self.raw(f"{name}.qweight")
        nibbles = (packed[:, None, :] >> _BITS[None, :, None]) & 15
        rows = nibbles.reshape(-1, packed.shape[1]).T.astype(np.uint8)
        zeros = (self.raw(f"{name}.qzeros")[..., None] >> _BITS) & 15
        if not (zeros == 7).all():
            raise ValueError(f"{name} is not symmetric")
        scales = self.raw(f"{name}.scales").T
        per_group = rows.shape[1] // scales.shape[1] // _BLOCK
        scales = np.repeat(scales, per_group, axis=1)
        if heads:
            rows, scales = (_reordered(each, heads) for each in (rows, scales))
        blocks = rows.reshape(rows.shape[0], -1, _BLOCK)
        halves = blocks[..., : _BLOCK // 2] | (blocks[..., _BLOCK // 2 :] << 4)
        scale_bytes = np.ascontiguousarray(scales)[..., None].view(np.uint8)
        return np.concatenate([scale_bytes, halves], axis=-1).reshape(rows.shape[0], -1)


def _reordered(rows: Array, heads: int) -> Array:
    """Return rows in llama.cpp's order: the pairs of a rotation side by side."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Mapping[str, Any]) -> None:
    """Write the vocabulary.

    llama.cpp does not know how it splits a text, so that it is asked with token ids.
    """
    names = {token_id: name for name, token_id in tokenizer["model"]["vocab"].items()}
    control = {each["id"]: each["content"] for each in tokenizer["added_tokens"]}
    names |= control
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([names[token_id] for token_id in sorted(names)])
    writer.add_token_types(
        [
            gguf.TokenType.CONTROL if token_id in control else gguf.TokenType.NORMAL
            for token_id in sorted(names)
        ]
    )
    merges = tokenizer["model"]["merges"]
    writer.add_token_merges(
        [each if isinstance(each, str) else " ".join(each) for each in merges]
    )
    ends = [token_id for token_id, name in control.items() if name == "<|endoftext|>"]
    writer.add_eos_token_id(ends[0])
    writer.add_bos_token_id(ends[0])
    writer.add_add_bos_token(value=False)


def write_gguf(model: Path, path: Path) -> None:
    """Write a model folder as one GGUF file.

    Args:
        model: A folder with ``config.json`` and ``model.safetensors``, a Llama of
            GPTQ's symmetric 4 bits.
        path: The file.
    """
    config = json.loads((model / "config.json").read_text())
    weights = _Weights(model / "model.safetensors")
    heads, key_heads = config["num_attention_heads"], config["num_key_value_heads"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(key_heads)
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    _add_tokenizer(writer, json.loads((model / "tokenizer.json").read_text()))
    embeddings = weights.floats("model.embed_tokens.weight")
    writer.add_tensor("token_embd.weight", embeddings.astype(np.float16))
    writer.add_tensor("output_norm.weight", weights.floats("model.norm.weight"))
    for layer in range(config["num_hidden_layers"]):
        theirs, ours = f"blk.{layer}", f"model.layers.{layer}"
        for to, name in (
            ("attn_norm", "input_layernorm"),
            ("ffn_norm", "post_attention_layernorm"),
        ):
            values = weights.floats(f"{ours}.{name}.weight")
            writer.add_tensor(f"{theirs}.{to}.weight", values)
        for to, name, count in (
            ("attn_q", "self_attn.q_proj", heads),
            ("attn_k", "self_attn.k_proj", key_heads),
            ("attn_v", "self_attn.v_proj", 0),
            ("attn_output", "self_attn.o_proj", 0),
            ("ffn_gate", "mlp.gate_proj", 0),
            ("ffn_up", "mlp.up_proj", 0),
            ("ffn_down", "mlp.down_proj", 0),
        ):
            writer.add_tensor(
                f"{theirs}.{to}.weight",
                weights.q4_0(f"{ours}.{name}", count),
                raw_dtype=gguf.GGMLQuantizationType.Q4_0,
            )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
