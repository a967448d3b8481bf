"""Reads and writes ``manifest.json``, which describes a model folder."""

import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    StrictBool,
    TypeAdapter,
)
from pydantic_core import PydanticCustomError

from lsp_server.errors import (
    ModelIntegrityError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from lsp_server.files import atomic_write_text
from lsp_server.modelstore.locate import MODEL_NAME
from lsp_server.modelstore.model_files import (
    ShapeError,
    is_inside,
    matching,
    read_json,
    validate,
)

__all__ = [
    "MANIFEST_NAME",
    "OTHER_LANGUAGES",
    "SIGNATURE_NAME",
    "ConfidenceLevels",
    "FileEntry",
    "Manifest",
    "Provenance",
    "Quantisation",
    "Sha256",
    "load_manifest",
    "write_manifest",
]

MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = "manifest.sig"
OTHER_LANGUAGES = "other"
"""Stands for all languages that a manifest does not name."""

_FORMAT = 1
"""To be raised when a reader of the old form could not read the new one."""


def _check_day(text: str) -> str:
    try:
        is_day = datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        is_day = False
    if not is_day:
        raise PydanticCustomError("day", "a day as YYYY-MM-DD")
    return text


Sha256: TypeAlias = Annotated[
    str, matching("[0-9a-f]{64}", "64 lower-case hexadecimal digits")
]
_Day: TypeAlias = Annotated[str, AfterValidator(_check_day)]
_Dtype: TypeAlias = Annotated[
    str, matching("bfloat16|float16", "one of bfloat16, float16")
]
_Probability: TypeAlias = Annotated[float, Field(ge=0, le=1)]
_Name: TypeAlias = Annotated[str, matching(MODEL_NAME, "a plain name")]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of the folder, as it was when the manifest was written.

    Attributes:
        sha256: SHA-256 of the content, 64 lower-case hexadecimal digits.
        bytes: Size in bytes.
    """

    sha256: Sha256
    bytes: NonNegativeInt


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
    source_sha256: Sha256
    calibration: str
    date: _Day
    training: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceLevels:
    """The least joint probability of a text that is shown, by the setting of eagerness.

    Attributes:
        low: Where few suggestions are wanted, and right ones.
        normal: By default.
        high: Where many are wanted.
    """

    low: _Probability
    normal: _Probability
    high: _Probability


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What Midfill needs to know of a model before it loads it.

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
        files: Every file of the folder but the manifest and its signature, by relative
            name with forward slashes.
        confidence: How sure the model has to be, by language id, as measured by
            ``benchmarks/calibration.py``; `OTHER_LANGUAGES` has what holds in those
            that are not named, in place of Midfill's defaults.
        comment_snippets: Whether parts of other files may stand as comments above the
            code; where the family has a format for them, they stand in that.
        off_by_default: Switches such as ``context.enabled`` that are off unless
            somebody sets them: their features gain nothing with this model.
    """

    name: _Name
    family: str
    architecture: str
    tokenizer: str
    context_length: PositiveInt
    parameters: PositiveInt
    dtype: _Dtype
    licence: str
    quantisation: Quantisation | None
    provenance: Provenance
    files: Mapping[str, FileEntry]
    confidence: Mapping[str, ConfidenceLevels] = field(default_factory=dict)
    comment_snippets: StrictBool = True
    off_by_default: tuple[str, ...] = ()


_ADAPTER = TypeAdapter(Manifest)


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest of a model folder, and no other file.

    Raises:
        ModelNotFoundError: There is no such folder, or no manifest in it.
        ModelIntegrityError: The manifest is damaged; the message names the key.
        UnsafeModelError: It names a file outside of the folder.
        UnsupportedModelError: It was written by a later Midfill.
    """
    path = folder / MANIFEST_NAME
    if not folder.is_dir():
        raise ModelNotFoundError(
            "there is no such model folder",
            subject=str(folder),
            remedy="Name a folder that exists, or one of the models that "
            "`midfill models list` shows",
        )
    if not path.is_file():
        raise ModelNotFoundError(
            f"the folder has no {MANIFEST_NAME}",
            subject=str(folder),
            remedy="Name a model folder, or make one with `midfill quantize`",
        )
    return _parse(read_json(path), path)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, whole or not at all.

    Raises:
        ModelIntegrityError: It is not one that `load_manifest` would accept.
        UnsafeModelError: It names a file outside of the folder.
        OSError: It cannot be written.
    """
    path = folder / MANIFEST_NAME
    raw = {"format": _FORMAT, **asdict(manifest)}
    _parse(raw, path)
    atomic_write_text(path, f"{json.dumps(raw, indent=2)}\n")


def _parse(raw: object, path: Path) -> Manifest:
    if isinstance(raw, dict):
        _check_format(path, raw.get("format"))
        raw = {key: value for key, value in raw.items() if key != "format"}
    try:
        manifest = validate(_ADAPTER, raw)
    except ShapeError as exc:
        raise _damaged(path, str(exc)) from exc
    for name in manifest.files:
        if not is_inside(name):
            raise UnsafeModelError(
                f"the manifest names {name!r}, which lies outside of the folder",
                subject=str(path),
                remedy="Do not use this folder",
            )
    for key, is_kept, expected in _rules(manifest):
        if not is_kept:
            raise _damaged(path, f"the key {key!r} is not {expected}")
    return manifest


def _check_format(path: Path, found: object) -> None:
    if type(found) is not int:
        raise _damaged(path, "the key 'format' is missing, or not a whole number")
    if found != _FORMAT:
        raise UnsupportedModelError(
            f"the manifest has format {found}, and this Midfill reads {_FORMAT}",
            subject=str(path),
            remedy="Use a later Midfill",
        )


def _rules(manifest: Manifest) -> Iterator[tuple[str, bool, str]]:
    """Yield each rule about several keys: a key, whether it is kept, what is right."""
    names = manifest.files.keys()
    yield "tokenizer", manifest.tokenizer in names, "one of the files"
    yield "files", "config.json" in names, "complete: config.json is missing"
    has_weights = any(name.endswith(".safetensors") for name in names)
    yield "files", has_weights, "complete: there are no weights"
    for language_id, levels in manifest.confidence.items():
        key = f"confidence.{language_id}"
        falls = levels.low >= levels.normal >= levels.high
        yield key, falls, "falling from low to high"
    yield "files", MANIFEST_NAME not in names, "free of the manifest itself"
    yield "files", SIGNATURE_NAME not in names, "free of its own signature"


def _damaged(path: Path, what: str) -> ModelIntegrityError:
    return ModelIntegrityError(
        f"the manifest cannot be used: {what}",
        subject=str(path),
        remedy="Fetch the model again, or correct the manifest",
    )
