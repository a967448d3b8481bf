"""Reads a checkpoint's description and says whether it can be quantised.

No weight is loaded: what is refused is refused at once.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import QuantizeError
from lsp_server.modelstore.integrity import hash_file
from lsp_server.modelstore.json_file import read_json
from lsp_server.modelstore.safetensors_header import TensorEntry
from lsp_server.modelstore.tensor_fit import read_tensors, require_fit
from training.quantize.tool import TOOLS, Tool

__all__ = ["GROUP_SIZES", "Source", "check_group_size", "read_source"]

GROUP_SIZES = frozenset({32, 64, 128})

_LINEAR = re.compile(r"\.(layers|h)\.\d+\..+\.weight")
_LANES = 32
"""vLLM's int4 kernels take features in multiples of this."""

_LINEAR_DIMENSIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A checkpoint that can be quantised.

    Attributes:
        folder: Where it lies.
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
        """The class that vLLM will look for."""
        match self.config.get("architectures"):
            case [str(first), *_]:
                return first
            case _:
                raise _refusal(self.folder, "config.json names no architecture")

    @property
    def context_length(self) -> int:
        """Most tokens that the model was made for."""
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
        """The 16-bit type of the weights that stay as they are."""
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
        """How many weights there are; tied ones count once."""
        return sum(
            math.prod(entry.shape)
            for name, entry in self.tensors.items()
            if not (self.ties_embeddings and name == "lm_head.weight")
        )

    def sha256(self) -> str:
        """Hash the weights; of several files, the lines of ``sha256sum``."""
        hashes = {name: hash_file(self.folder / name) for name in self.weight_files}
        if len(hashes) == 1:
            return hashes.popitem()[1]
        lines = "".join(f"{digest}  {name}\n" for name, digest in hashes.items())
        return hashlib.sha256(lines.encode()).hexdigest()


def read_source(folder: Path, tool: Tool) -> Source:
    """Read the checkpoint in ``folder``, which ``tool`` shall quantise.

    Raises:
        QuantizeError: It is missing, incomplete, already quantised, of an architecture
            that the tool does not know, or brings code of its own.
        ModelIntegrityError: A file of it is damaged, or a tensor is missing or of
            another shape than its configuration describes.
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

    The quantisers would do it all the same, and vLLM then stop at the first layer.

    Raises:
        QuantizeError: They do not, or vLLM has no kernel for the size.
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
