"""A model that takes part: where it lies, how it is asked, and what exactly it is."""

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
from lsp_server.prompt.fast_tokenizer import FastTokenizer
from lsp_server.prompt.fim import FimFamily
from lsp_server.prompt.selfcheck import resolve_family
from lsp_server.service.loaded_model import load_model
from training.eval.familiarity import trained_packages

__all__ = ["Contender", "Entrant", "load_contender", "parse_entrant"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A model as somebody names it.

    Attributes:
        name: What it is called in the results; empty takes its own name.
        place: A folder, or a shipped model's name.
        family: The FIM family of a folder without a manifest; else empty.
    """

    name: str
    place: str
    family: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A model that was found to be whole, and everything about it but its weights.

    Attributes:
        name: What it is called in the results.
        folder: Its files.
        family: How it is asked.
        tokenizer: Its tokenizer.
        context_length: Most tokens of prompt and output together.
        method: vLLM's name of its quantisation; empty where there is none.
        weights: How its weights are stored, for people.
        sha256: The hash of each file of weights, by its name.
        trained_packages: Packages that it was trained on; None where it does not say.
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


def parse_entrant(text: str) -> Entrant:
    """Read ``[NAME=]FOLDER[:FAMILY]``; a folder with a colon wins over a family.

    Raises:
        EvaluationError: A name or a folder is missing.
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
        return Entrant(name=name, place=rest)
    return Entrant(name=name, place=place, family=family)


def load_contender(entrant: Entrant, device: Device) -> Contender:
    """Find a model, and check all that can be checked without an engine.

    A folder with a manifest is verified as the server does it. One without, such as a
    16-bit checkpoint, must be safe to load, and its family is what the entrant says:
    it is never guessed. Reads every byte of the folder.

    Raises:
        EvaluationError: The family is missing, or is named twice.
        ModelError: The model is missing, damaged, unsafe, or not of use here.
    """
    folder = locate(entrant.place)
    has_manifest = (folder / MANIFEST_NAME).is_file()
    if has_manifest == bool(entrant.family):
        raise EvaluationError(
            f"the folder has {'a' if has_manifest else 'no'} {MANIFEST_NAME}",
            subject=str(folder),
            remedy="Leave the family away, since the manifest names it"
            if has_manifest
            else "Name the model's FIM family, as in FOLDER:midfill",
        )
    if has_manifest:
        return _with_manifest(entrant, folder, device)
    return _without_manifest(entrant, folder)


def _with_manifest(entrant: Entrant, folder: Path, device: Device) -> Contender:
    model = load_model(str(folder), device)
    manifest = model.manifest
    quantisation = manifest.quantisation
    return Contender(
        name=entrant.name or manifest.name,
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


def _without_manifest(entrant: Entrant, folder: Path) -> Contender:
    names = refuse_unsafe(folder)
    family = find_family(entrant.family)
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
    return Contender(
        name=entrant.name or folder.name,
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
