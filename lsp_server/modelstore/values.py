"""What a model folder says of itself, as frozen values.

Nothing here reads a file or knows JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FileEntry", "Manifest", "Provenance", "Quantisation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of the folder, as it was when the manifest was written.

    Attributes:
        sha256: SHA-256 of the content, 64 lower-case hexadecimal digits.
        bytes: Size in bytes.
    """

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantisation:
    """How the weights are stored.

    Attributes:
        method: ``gptq``.
        bits: Bits per weight.
        group_size: Weights that share a scale; -1 is a whole column.
        sym: Whether the zero point is the middle of the range.
        desc_act: Whether groups follow the activations' order instead of the columns'.
        tool: What quantised them, with its version.
    """

    method: str
    bits: int
    group_size: int
    sym: bool
    desc_act: bool
    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the weights come from.

    Attributes:
        source: The checkpoint that was quantised, for people.
        source_sha256: SHA-256 of its weights; of several files, that of their
            hashes' lines in the order of their names.
        calibration: The text that the quantiser saw.
        date: The day on which this folder was made, as ``YYYY-MM-DD``.
        training: How and on what the source was trained.
    """

    source: str
    source_sha256: str
    calibration: str
    date: str
    training: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that Midfill has to know of a model before it loads it.

    Attributes:
        name: The model's name, also that of its folder where it is shipped.
        family: The FIM family, as in the registry of prompts.
        architecture: The class that ``config.json`` names.
        tokenizer: The tokenizer's file, relative to the folder.
        context_length: Most tokens of prompt and output together.
        parameters: Number of weights before quantisation; tied ones count once.
        dtype: Type of the weights that are not quantised.
        licence: SPDX expression, or a name.
        quantisation: How the weights are stored; None for 16-bit weights.
        provenance: Where they come from.
        files: Every file of the folder but the manifest, by relative name with
            forward slashes.
    """

    name: str
    family: str
    architecture: str
    tokenizer: str
    context_length: int
    parameters: int
    dtype: str
    licence: str
    quantisation: Quantisation | None
    provenance: Provenance
    files: Mapping[str, FileEntry]
