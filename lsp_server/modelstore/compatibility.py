"""Checks that vLLM can run a model: its quantisation and its tensors.

An engine that finds a tensor missing loads for minutes and stops, or answers with
noise. No weight is read: names and shapes stand in the headers of the files.

Source: the weights' names of transformers' ``LlamaForCausalLM``, which the other types
here share; the packing of ``qweight`` and ``scales`` by auto-gptq 0.7.1.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lsp_server.config import Device
from lsp_server.engine.vllm_build import unsupported_quantisation
from lsp_server.errors import ModelIntegrityError, UnsupportedModelError
from lsp_server.modelstore.manifest import Manifest
from lsp_server.modelstore.model_files import (
    TensorEntry,
    as_json,
    damaged,
    read_header,
    read_json,
)

__all__ = ["check_quantisation", "read_tensors", "require_fit"]

Shape = tuple[int, ...]

_TIES_EMBEDDINGS: Mapping[str, bool] = {
    "gemma": True,
    "granite": False,
    "llama": False,
    "mistral": False,
    "qwen2": False,
    "qwen3": False,
}
"""The model types that are checked, and whether each ties its embeddings by default."""

_NUMBERS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "vocab_size",
)
_PACKED_BITS = frozenset({2, 4, 8})
_WORD_BITS = 32


def check_quantisation(
    folder: Path, manifest: Manifest, *, device: Literal["cpu", "cuda"]
) -> None:
    """Check that ``device`` can run the quantisation, and that the config agrees.

    ``config.json`` is what vLLM reads, so it and the manifest must say the same.

    Raises:
        UnsupportedModelError: vLLM has no kernel for it on this device.
        ModelIntegrityError: Manifest and ``config.json`` contradict each other.
    """
    path = folder / "config.json"
    config = read_json(path)
    if not isinstance(config, dict):
        raise _contradiction(path, "it is not an object")
    stated = manifest.quantisation
    raw = config.get("quantization_config")
    if manifest.architecture not in (config.get("architectures") or ()):
        raise _contradiction(path, f"its architecture is not {manifest.architecture}")
    if stated is None:
        if raw is not None:
            raise _contradiction(path, "it is quantised, which the manifest denies")
        return
    if not isinstance(raw, dict):
        raise _contradiction(path, "it has no quantization_config")
    expected = {
        "quant_method": stated.method,
        "bits": stated.bits,
        "group_size": stated.group_size,
        "sym": stated.sym,
        "desc_act": stated.desc_act,
    }
    for key, value in expected.items():
        if key not in raw or raw[key] != value:
            raise _contradiction(
                path,
                f"{key} is {as_json(raw.get(key))}, in the manifest {as_json(value)}",
            )
    if reason := unsupported_quantisation(stated, Device(device)):
        raise UnsupportedModelError(
            reason,
            subject=str(folder),
            remedy="Quantise it again: GPTQ, 4 bits, symmetric, group size 32, 64 or "
            "128, desc_act false",
        )


def read_tensors(folder: Path) -> dict[str, TensorEntry]:
    """Read which tensors the safetensors files of a folder hold.

    Raises:
        ModelIntegrityError: A file is damaged, or a shard index names a tensor that its
            file does not hold.
    """
    tensors: dict[str, TensorEntry] = {}
    held: dict[str, Mapping[str, TensorEntry]] = {}
    for path in sorted(folder.rglob("*.safetensors")):
        held[path.relative_to(folder).as_posix()] = read_header(path)
    for entries in held.values():
        tensors.update(entries)
    for path in sorted(folder.glob("*.safetensors.index.json")):
        match read_json(path):
            case {"weight_map": dict(weight_map)}:
                for name, shard in weight_map.items():
                    if name not in held.get(str(shard), {}):
                        raise damaged(
                            path, f"names the tensor {name}, which {shard} lacks"
                        )
            case _:
                raise damaged(path, "has no weight map")
    return tensors


def require_fit(
    folder: Path, config: Mapping[str, object], tensors: Mapping[str, TensorEntry]
) -> None:
    """Check that every tensor that ``config`` describes is there, in its shape.

    Model types that are not known here, and configurations that leave a size out, are
    not checked.

    Raises:
        ModelIntegrityError: One is missing or has another shape; the message names
            the first, and how many there are.
    """
    shape = _shape_of(config)
    if shape is None:
        return
    faults = [
        fault
        for name, expected in _expected(shape)
        if (fault := _fault(name, expected, tensors, shape))
    ]
    if faults:
        others = f", and {len(faults) - 1} more do not fit" if faults[1:] else ""
        raise ModelIntegrityError(
            f"the weights are not those of config.json: {faults[0]}{others}",
            subject=str(folder),
            remedy="Fetch the model again, with all of its files",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ModelShape:
    """The sizes that a configuration states.

    Attributes:
        hidden: Width of the residual stream.
        inner: Width of the feed-forward layer.
        layers: Number of layers.
        queries: Width of all query heads together.
        keys: Width of all key heads together.
        vocabulary: Rows of the embedding.
        ties_embeddings: Whether the output layer is the embedding.
        attention_biases: The projections of the attention that have a bias.
        has_head_norms: Whether queries and keys are normalised head by head.
        head: Width of one head.
        bits: Bits of a quantised weight; 0 where nothing is quantised.
        group: Weights that share a scale; -1 for all inputs.
    """

    hidden: int
    inner: int
    layers: int
    queries: int
    keys: int
    vocabulary: int
    ties_embeddings: bool
    attention_biases: str
    has_head_norms: bool
    head: int
    bits: int
    group: int


def _shape_of(config: Mapping[str, object]) -> _ModelShape | None:
    """Read the sizes; None for a type that is not checked or sizes that are missing."""
    model_type = config.get("model_type")
    numbers = [config.get(key) for key in _NUMBERS]
    if model_type not in _TIES_EMBEDDINGS or not all(map(_is_size, numbers)):
        return None
    hidden, inner, layers, heads, vocabulary = (int(str(each)) for each in numbers)
    head = config.get("head_dim") or hidden // heads
    key_heads = config.get("num_key_value_heads") or heads
    if not (_is_size(head) and _is_size(key_heads)):
        return None
    tied = config.get("tie_word_embeddings", _TIES_EMBEDDINGS[str(model_type)])
    all_biases = config.get("attention_bias") is True
    bits, group = _packing(config.get("quantization_config"))
    return _ModelShape(
        hidden=hidden,
        inner=inner,
        layers=layers,
        queries=heads * int(str(head)),
        keys=int(str(key_heads)) * int(str(head)),
        vocabulary=vocabulary,
        ties_embeddings=tied is True,
        attention_biases="qkv" if model_type == "qwen2" else "qkvo" * all_biases,
        has_head_norms=model_type == "qwen3",
        head=int(str(head)),
        bits=bits,
        group=group,
    )


def _is_size(value: object) -> bool:
    return type(value) is int and value > 0


def _packing(quantisation: object) -> tuple[int, int]:
    """Read bits and group size of GPTQ; zeros for anything else."""
    match quantisation:
        case {
            "quant_method": "gptq",
            "bits": int(bits),
            "group_size": int(group),
        } if bits in _PACKED_BITS and (group > 0 or group == -1):
            return bits, group
    return 0, 0


def _expected(shape: _ModelShape) -> Iterator[tuple[str, Shape]]:
    """Yield every tensor, a matrix as (out, in) by its name without ``.weight``."""
    yield "model.embed_tokens", (shape.vocabulary, shape.hidden)
    yield "model.norm", (shape.hidden,)
    if not shape.ties_embeddings:
        yield "lm_head", (shape.vocabulary, shape.hidden)
    for number in range(shape.layers):
        layer = f"model.layers.{number}"
        yield f"{layer}.input_layernorm", (shape.hidden,)
        yield f"{layer}.post_attention_layernorm", (shape.hidden,)
        attention = f"{layer}.self_attn"
        widths = {"q": shape.queries, "k": shape.keys, "v": shape.keys}
        for name, width in widths.items():
            yield f"{attention}.{name}_proj", (width, shape.hidden)
        yield f"{attention}.o_proj", (shape.hidden, shape.queries)
        for name in shape.attention_biases:
            yield f"{attention}.{name}_proj.bias", (widths.get(name, shape.hidden),)
        if shape.has_head_norms:
            yield f"{attention}.q_norm", (shape.head,)
            yield f"{attention}.k_norm", (shape.head,)
        yield f"{layer}.mlp.gate_proj", (shape.inner, shape.hidden)
        yield f"{layer}.mlp.up_proj", (shape.inner, shape.hidden)
        yield f"{layer}.mlp.down_proj", (shape.hidden, shape.inner)


def _fault(
    name: str, expected: Shape, tensors: Mapping[str, TensorEntry], shape: _ModelShape
) -> str:
    """Return what is wrong with one tensor; empty if nothing is."""
    whole = name if name.endswith(".bias") else f"{name}.weight"
    if whole in tensors or not shape.bits or f"{name}.qweight" not in tensors:
        return _difference(whole, expected, tensors)
    outputs, inputs = expected
    groups = 1 if shape.group < 0 else -(-inputs // shape.group)
    packed = (inputs * shape.bits // _WORD_BITS, outputs)
    return _difference(f"{name}.qweight", packed, tensors) or _difference(
        f"{name}.scales", (groups, outputs), tensors
    )


def _difference(name: str, expected: Shape, tensors: Mapping[str, TensorEntry]) -> str:
    """Return how a tensor differs from its shape; empty if it does not."""
    entry = tensors.get(name)
    if entry is None:
        return f"{name} is missing"
    if entry.shape != expected:
        return f"{name} is {_spelt(entry.shape)} instead of {_spelt(expected)}"
    return ""


def _spelt(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "a number"


def _contradiction(path: Path, what: str) -> ModelIntegrityError:
    return ModelIntegrityError(
        f"the file does not agree with the manifest: {what}",
        subject=str(path),
        remedy="Fetch the model again, or correct its manifest",
    )
