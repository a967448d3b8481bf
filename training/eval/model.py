"""The models of an evaluation: how they are named, found and checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lsp_server.config import Device
from lsp_server.errors import EvaluationError, ModelIntegrityError
from lsp_server.modelstore.locate import locate
from lsp_server.modelstore.manifest import MANIFEST_NAME, Quantisation
from lsp_server.modelstore.model_files import read_json
from lsp_server.modelstore.verify import hash_file, refuse_unsafe
from lsp_server.prompt.families import find_family
from lsp_server.prompt.fim import FimFamily
from lsp_server.prompt.selfcheck import resolve_family
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.service.loaded_model import load_model
from training.eval.data import canonical_name

__all__ = [
    "EvaluatedModel",
    "ModelArgument",
    "load_evaluated_model",
    "parse_model_argument",
    "trained_packages",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]*")
_ATTRIBUTION_NAME = "ATTRIBUTION.md"
_ATTRIBUTION_CELLS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelArgument:
    """A model as the command line names it.

    Attributes:
        name: Its name in the results; empty for the model's own.
        place: A folder, or a shipped model's name.
        family: The FIM family of a folder without a manifest; otherwise empty.
    """

    name: str
    place: str
    family: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedModel:
    """A model whose files were checked.

    Attributes:
        name: Its name in the results.
        folder: Its files.
        family: Its prompt format.
        tokenizer: Its tokenizer.
        context_length: Maximum tokens of prompt and output together.
        method: vLLM's name of its quantisation; empty if it is not quantised.
        weights: How its weights are stored, for people.
        sha256: The hash of each file of weights, by its name.
        trained_packages: Packages that it was trained on; None if unknown.
    """

    name: str
    folder: Path
    family: FimFamily
    tokenizer: FastTokenizer
    context_length: int
    method: str
    weights: str
    sha256: Mapping[str, str]
    trained_packages: frozenset[str] | None = None


def parse_model_argument(text: str) -> ModelArgument:
    """Parse ``[NAME=]FOLDER[:FAMILY]``; a folder whose name has a colon comes first.

    Raises:
        EvaluationError: Name or folder is missing.
    """
    name, equals, rest = text.partition("=")
    if not equals:
        name, rest = "", text
    if not rest or (equals and not _NAME.fullmatch(name)):
        raise EvaluationError(
            "this names no model",
            subject=repr(text),
            remedy="Write NAME=FOLDER, or NAME=FOLDER:FAMILY for a folder without a "
            "manifest",
        )
    place, colon, family = rest.rpartition(":")
    if not colon or Path(rest).expanduser().is_dir():
        return ModelArgument(name=name, place=rest)
    return ModelArgument(name=name, place=place, family=family)


def load_evaluated_model(argument: ModelArgument, device: Device) -> EvaluatedModel:
    """Find a model, and check all that can be checked without an engine.

    A folder with a manifest is verified as by the server. A folder without one, such
    as a 16-bit checkpoint, must be safe to load, and the argument must name its
    family, which is never guessed. Reads every byte of the folder.

    Raises:
        EvaluationError: The family is missing, or is named twice.
        ModelError: The model is missing, damaged, unsafe, or cannot run here.
    """
    folder = locate(argument.place)
    has_manifest = (folder / MANIFEST_NAME).is_file()
    if has_manifest == bool(argument.family):
        raise EvaluationError(
            f"the folder has {'a' if has_manifest else 'no'} {MANIFEST_NAME}",
            subject=str(folder),
            remedy="Leave the family out, since the manifest names it"
            if has_manifest
            else "Name the model's FIM family, as in FOLDER:midfill",
        )
    if has_manifest:
        return _load_with_manifest(argument, folder, device)
    return _load_without_manifest(argument, folder)


def trained_packages(folder: Path) -> frozenset[str] | None:
    """Return the names of the packages that a model was trained on; None if unknown.

    A model that ``training.train`` made has its corpus' list beside its weights.
    """
    try:
        lines = (folder / _ATTRIBUTION_NAME).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    rows = [line.strip().strip("|").split(" | ") for line in lines if line[:1] == "|"]
    # The first two rows are the table's head.
    names = [
        canonical_name(row[0].strip())
        for row in rows[2:]
        if len(row) == _ATTRIBUTION_CELLS
    ]
    return frozenset(names) or None


def _load_with_manifest(
    argument: ModelArgument, folder: Path, device: Device
) -> EvaluatedModel:
    model = load_model(str(folder), device)
    manifest = model.manifest
    quantisation = manifest.quantisation
    return EvaluatedModel(
        name=argument.name or manifest.name,
        folder=folder,
        family=model.family,
        tokenizer=model.tokenizer,
        context_length=manifest.context_length,
        method=quantisation.method if quantisation else "",
        weights=_describe(quantisation) if quantisation else manifest.dtype,
        sha256={
            name: entry.sha256
            for name, entry in manifest.files.items()
            if name.endswith(".safetensors")
        },
        trained_packages=trained_packages(folder),
    )


def _load_without_manifest(argument: ModelArgument, folder: Path) -> EvaluatedModel:
    names = refuse_unsafe(folder)
    family = find_family(argument.family)
    tokenizer = FastTokenizer(folder)
    resolve_family(tokenizer, family)
    match read_json(folder / "config.json"):
        case {"max_position_embeddings": int(context_length), **settings}:
            pass
        case _:
            raise ModelIntegrityError(
                "it does not say how many tokens the model can read",
                subject=str(folder / "config.json"),
                remedy="fetch the model again",
            )
    match settings.get("quantization_config"):
        case {"quant_method": str(method)}:
            weights = method
        case _:
            method, weights = "", str(settings.get("torch_dtype", "16 bit"))
    return EvaluatedModel(
        name=argument.name or folder.name,
        folder=folder,
        family=family,
        tokenizer=tokenizer,
        context_length=context_length,
        method=method,
        weights=weights,
        sha256={
            name: hash_file(folder / name)
            for name in names
            if name.endswith(".safetensors")
        },
        trained_packages=trained_packages(folder),
    )


def _describe(quantisation: Quantisation) -> str:
    return (
        f"{quantisation.method} {quantisation.bits} bit, "
        f"group {quantisation.group_size}, {quantisation.tool}"
    )
