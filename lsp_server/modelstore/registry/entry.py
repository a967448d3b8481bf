"""What the registry says of a model, as frozen values. None is always "not known"."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Architecture", "Checkpoint", "Entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The figures that memory depends on.

    Attributes:
        layers: Transformer layers.
        kv_heads: Heads of keys and values in each layer.
        head_dim: Width of one head.
        hidden_size: Width of the residual stream.
        vocabulary: Rows of the embedding.
        latent_width: Values that each token leaves in each layer's cache, where
            that is not two times heads times width (multi-head latent attention).
    """

    layers: int
    kv_heads: int
    head_dim: int
    hidden_size: int
    vocabulary: int | None
    latent_width: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Quantised weights that can be fetched.

    Attributes:
        hub_id: Owner and name of the repository on the hub.
        revision: A full commit; None pins the newest at first use.
        method: ``gptq`` or ``awq``.
        bits: Bits per weight.
        group_size: Weights that share a scale.
        sym: Whether the zero point is the middle of the range.
        desc_act: Whether groups follow the activations' order.
        weights_bytes: Size of all safetensors, as rounded by the source.
        sha256: Hashes of files that a source states.
    """

    hub_id: str
    revision: str | None
    method: str
    bits: int
    group_size: int | None
    sym: bool | None
    desc_act: bool | None
    weights_bytes: int | None
    sha256: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model.

    Attributes:
        name: Its name here, also that of the folder that it is fetched into.
        family: The FIM family, as in the registry of prompts.
        base: The repository of the unquantised model.
        parameters: Number of weights, as rounded by the source.
        active_parameters: Those that one token passes through; None for all.
        licence: SPDX expression, or the licence's own name.
        context_length: Most tokens of prompt and output together.
        shipped: Whether the model is part of the installation.
        note: What a user must know before choosing it; empty for nothing.
        architecture: The figures for memory.
        checkpoint: What `pull` fetches; None where no GPTQ or AWQ one is known.
        sources: Group of facts to the address of the page they were taken from.
    """

    name: str
    family: str
    base: str
    parameters: int
    active_parameters: int | None
    licence: str
    context_length: int
    shipped: bool
    note: str
    architecture: Architecture | None
    checkpoint: Checkpoint | None
    sources: Mapping[str, str]
