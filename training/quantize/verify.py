"""Judges a quantised checkpoint: its form by its header, its worth by perplexity."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import QuantizeError
from lsp_server.modelstore.safetensors_header import TensorEntry, read_header
from training.quantize.source import Source

__all__ = ["Comparison", "check_comparison", "check_structure"]

_CODES_PER_INT32 = 8
_MOST_WORSENING = 1.25
"""Sound 4-bit weights cost a few hundredths; a wrong packing costs a hundredfold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a quantised model compares with its source on text that neither saw.

    Attributes:
        source_perplexity: The source's perplexity over all tokens.
        perplexity: The quantised model's.
        source_middle_perplexity: The source's over the middles alone.
        middle_perplexity: The quantised model's.
        divergence_nats: Mean Kullback-Leibler divergence from the source, in nats.
        same_choice: Share of tokens at which both find the same one likeliest.
        tokens: Tokens compared.
        middle_tokens: Those of them that belong to middles.
    """

    source_perplexity: float
    perplexity: float
    source_middle_perplexity: float
    middle_perplexity: float
    divergence_nats: float
    same_choice: float
    tokens: int
    middle_tokens: int

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"perplexity {self.perplexity:.3f} (source {self.source_perplexity:.3f}), "
            f"middles {self.middle_perplexity:.3f} "
            f"(source {self.source_middle_perplexity:.3f}), "
            f"divergence {self.divergence_nats:.4f} nats, "
            f"same choice {self.same_choice:.1%} of {self.tokens} tokens"
        )


def check_structure(source: Source, weights: Path, *, group_size: int) -> None:
    """Check that the file holds exactly the tensors that vLLM will look for.

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
    worsening = comparison.perplexity / comparison.source_perplexity
    if not (math.isfinite(worsening) and worsening <= _MOST_WORSENING):
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
