"""Reads a checkpoint's description and checks whether it can be quantised here.

It loads no weights, so whatever is refused is refused at once.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import QuantizeError
from lsp_server.modelstore.compatibility import read_tensors, require_fit
from lsp_server.modelstore.model_files import TensorEntry, read_json
from lsp_server.modelstore.verify import hash_file
from training.quantize.quantisers import TOOLS, Tool

__all__ = [
    "GROUP_SIZES",
    "Source",
    "check_group_size",
    "needed_bytes",
    "read_source",
    "require_memory",
]

GROUP_SIZES = frozenset({32, 64, 128})

_LINEAR = re.compile(r"\.(layers|h)\.\d+\..+\.weight")
_LANES = 32
"""vLLM's int4 kernels take features in multiples of this."""

_LINEAR_DIMENSIONS = 2

_FLOAT32_BYTES = 4
_BASE_BYTES = 1 << 30
"""Python, PyTorch and the libraries around them."""

_GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A checkpoint that can be quantised.

    Attributes:
        folder: Its folder.
        config: Its ``config.json``.
        tensors: Its tensors, by name, of all files together.
        weight_files: The names of its safetensors files, sorted.
    """

    folder: Path
    config: Mapping[str, object]
    tensors: Mapping[str, TensorEntry]
    weight_files: tuple[str, ...]

    @property
    def architecture(self) -> str:
        """The model class that vLLM will use."""
        match self.config.get("architectures"):
            case [str(first), *_]:
                return first
            case _:
                raise _refusal(self.folder, "config.json names no architecture")

    @property
    def context_length(self) -> int:
        """The most tokens that the model can read."""
        match self.config.get(
            "max_position_embeddings", self.config.get("n_positions")
        ):
            case int(length) if length > 0:
                return length
            case _:
                raise _refusal(self.folder, "config.json names no context length")

    @property
    def ties_embeddings(self) -> bool:
        """Whether the output layer is the embedding."""
        return self.config.get("tie_word_embeddings") is True

    @property
    def dtype(self) -> str:
        """The 16-bit type of the weights that are not quantised."""
        stated = self.config.get("dtype", self.config.get("torch_dtype"))
        return "float16" if stated == "float16" else "bfloat16"

    @property
    def linear_layers(self) -> Mapping[str, TensorEntry]:
        """The matrices that are quantised, as (out, in), by their layer's name."""
        return {
            name.removesuffix(".weight"): entry
            for name, entry in self.tensors.items()
            if _LINEAR.search(name) and len(entry.shape) == _LINEAR_DIMENSIONS
        }

    @property
    def parameters(self) -> int:
        """Number of weights; tied ones count once."""
        return sum(
            math.prod(entry.shape)
            for name, entry in self.tensors.items()
            if not (self.ties_embeddings and name == "lm_head.weight")
        )

    def sha256(self) -> str:
        """Return the weights' hash; of several files, that of ``sha256sum``'s lines."""
        hashes = {name: hash_file(self.folder / name) for name in self.weight_files}
        if len(hashes) == 1:
            return hashes.popitem()[1]
        lines = "".join(f"{digest}  {name}\n" for name, digest in hashes.items())
        return hashlib.sha256(lines.encode()).hexdigest()


def read_source(folder: Path, tool: Tool) -> Source:
    """Read the checkpoint in ``folder``, for ``tool`` to quantise.

    Raises:
        QuantizeError: It is missing, incomplete or already quantised, contains code, or
            is of a model type that the tool does not support.
        ModelIntegrityError: A file is damaged, or a tensor is missing or of another
            shape than the configuration says.
    """
    config_path = folder / "config.json"
    if not config_path.is_file():
        raise _refusal(folder, "there is no checkpoint: config.json is missing")
    config = read_json(config_path)
    if not isinstance(config, dict):
        raise _refusal(folder, "config.json is not an object")
    if "quantization_config" in config:
        raise _refusal(folder, "the checkpoint is already quantised")
    if "auto_map" in config:
        raise _refusal(folder, "the checkpoint brings its own code (auto_map)")
    if config.get("model_type") not in tool.model_types:
        raise _unknown_type(folder, config.get("model_type"), tool)
    if not (folder / "tokenizer.json").is_file():
        raise _refusal(folder, "tokenizer.json is missing")
    weight_files = tuple(sorted(path.name for path in folder.glob("*.safetensors")))
    if not weight_files:
        raise _refusal(folder, "there are no weights: no safetensors file")
    tensors = read_tensors(folder)
    require_fit(folder, config, tensors)
    return Source(
        folder=folder, config=config, tensors=tensors, weight_files=weight_files
    )


def check_group_size(source: Source, group_size: int) -> None:
    """Check that groups of this size divide every layer.

    The quantisers do not check it, and vLLM would fail at the first such layer.

    Raises:
        QuantizeError: They do not divide it, or vLLM has no kernel for the size.
    """
    if group_size not in GROUP_SIZES:
        sizes = ", ".join(map(str, sorted(GROUP_SIZES)))
        raise QuantizeError(
            f"the group size {group_size} cannot run",
            subject=str(source.folder),
            remedy=f"Choose one of {sizes}",
        )
    if not source.linear_layers:
        raise _refusal(source.folder, "there are no linear layers to quantise")
    for name, entry in source.linear_layers.items():
        out_features, in_features = entry.shape
        if in_features % group_size or in_features % _LANES or out_features % _LANES:
            raise QuantizeError(
                f"the layer {name} of {in_features} inputs and {out_features} outputs "
                f"cannot be divided into groups of {group_size} and lanes of {_LANES}",
                subject=str(source.folder),
                remedy="Choose a smaller group size, or another model",
            )


def needed_bytes(source: Source, *, samples: int, sample_tokens: int) -> int:
    """Estimate the peak memory of quantising and comparing.

    It is the larger of two sums:

    - quantising: the model in float32; a layer's inputs and outputs for all samples;
      four matrices of the largest layer's inputs squared (the Hessian, its inverse,
      and copies)
    - comparing: source and result in float32; four tables of one sample's logits

    With a GPU, the same amounts pass through main memory.
    """
    inputs = max((entry.shape[1] for entry in source.linear_layers.values()), default=0)
    model = source.parameters * _FLOAT32_BYTES
    hidden = _number(source, "hidden_size") or inputs
    states = 2 * samples * sample_tokens * hidden * _FLOAT32_BYTES
    hessians = 4 * inputs**2 * _FLOAT32_BYTES
    logits = 4 * sample_tokens * _number(source, "vocab_size") * _FLOAT32_BYTES
    return _BASE_BYTES + max(model + states + hessians, 2 * model + logits)


def require_memory(
    source: Source, *, samples: int, sample_tokens: int, available_bytes: int
) -> None:
    """Check that the estimate fits into the available memory.

    Raises:
        QuantizeError: It does not.
    """
    needed = needed_bytes(source, samples=samples, sample_tokens=sample_tokens)
    if needed > available_bytes:
        raise QuantizeError(
            f"quantising and comparing need about {math.ceil(needed / _GIB)} GiB of "
            f"memory, and {available_bytes / _GIB:.1f} GiB are free",
            subject=str(source.folder),
            remedy="Close other programs, or quantise on a larger machine",
        )


def _refusal(folder: Path, what: str) -> QuantizeError:
    return QuantizeError(
        what,
        subject=str(folder),
        remedy="Name the folder of a 16-bit checkpoint: config.json, tokenizer.json "
        "and safetensors files",
    )


def _unknown_type(folder: Path, model_type: object, tool: Tool) -> QuantizeError:
    others = [name for name, other in TOOLS.items() if model_type in other.model_types]
    knows = f"it knows {', '.join(sorted(tool.model_types))}"
    return QuantizeError(
        f'{tool.name} cannot quantise the model type "{model_type}"'
        if model_type
        else "config.json names no model type",
        subject=str(folder),
        remedy=f"Choose --backend {others[0]}, which can; {knows}"
        if others
        else f"Choose another model; {knows}",
    )


def _number(source: Source, key: str) -> int:
    match source.config.get(key):
        case int(number):
            return number
    return 0
