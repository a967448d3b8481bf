"""Describes a fetched checkpoint by a manifest, from its config and the registry."""

import datetime
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from lsp_server.errors import PullError, UnsupportedModelError
from lsp_server.modelstore.manifest import (
    MANIFEST_NAME,
    FileEntry,
    Manifest,
    Provenance,
    Quantisation,
    load_manifest,
)
from lsp_server.modelstore.model_files import as_json, damaged, read_json
from lsp_server.modelstore.registry.catalogue import Checkpoint, Entry
from lsp_server.modelstore.registry.listing import Listing
from lsp_server.modelstore.verify import hash_file

__all__ = ["describe", "describe_files_of", "drop_chat_template"]

_NOT_STATED = "not stated by the source"
_TOKENIZER = "tokenizer.json"
_SETTINGS = "tokenizer_config.json"
_DTYPES = {"bfloat16", "float16"}


def drop_chat_template(folder: Path) -> None:
    """Remove the chat template from the tokenizer's settings, where there is one.

    It is a program, and a completion has no use for it.

    Raises:
        ModelIntegrityError: The settings cannot be read.
        OSError: They cannot be written.
    """
    path = folder / _SETTINGS
    if not path.is_file():
        return
    content = read_json(path)
    if not isinstance(content, dict):
        raise damaged(path, "is not an object")
    if content.pop("chat_template", None) is not None:
        path.write_text(f"{json.dumps(content, indent=2)}\n", encoding="utf-8")


def describe(
    folder: Path, name: str, entry: Entry | None, listing: Listing
) -> Manifest:
    """Return the manifest of a fetched folder; its list of files stays empty.

    The source's own manifest is taken where it has one. Else the checkpoint's
    ``config.json`` says what it is, and the registry what that cannot.

    Raises:
        PullError: Registry and source contradict each other, or neither says enough.
        UnsupportedModelError: It is not quantised, or of a type that is not served.
        ModelIntegrityError: ``config.json`` or the manifest is damaged.
    """
    if listing.manifest is not None:
        (folder / MANIFEST_NAME).write_bytes(listing.manifest)
        manifest = load_manifest(folder)
        if entry is not None and manifest.family != entry.family:
            raise _contradiction(listing, "family", manifest.family, entry.family)
        return manifest
    if entry is None or entry.checkpoint is None:
        raise PullError(
            "nothing says of which family it is",
            subject=listing.source,
            remedy="Choose a model of the registry, or a source with a manifest.json",
        )
    config = _config(folder)
    quantisation = _quantisation(folder, config)
    _check_stated(listing, entry.checkpoint, quantisation)
    return Manifest(
        name=name,
        family=entry.family,
        architecture=_architecture(folder, config),
        tokenizer=_TOKENIZER,
        context_length=_context_length(config, entry),
        parameters=entry.parameters,
        dtype=_dtype(folder, config),
        licence=entry.licence,
        quantisation=quantisation,
        provenance=Provenance(
            source=f"{listing.source}@{listing.revision}",
            source_sha256=_weights_sha256(listing),
            calibration=_NOT_STATED,
            date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
            training=_NOT_STATED,
        ),
        files={},
    )


def describe_files_of(folder: Path, listing: Listing) -> dict[str, FileEntry]:
    """Return size and hash of every listed file as it is now.

    Weights are not read again: their hash is the listing's.

    Raises:
        ModelIntegrityError: A file cannot be read.
    """
    return {
        file.name: FileEntry(
            sha256=file.digest.removeprefix("sha256:")
            if file.is_weights and file.digest.startswith("sha256:")
            else hash_file(folder / file.name),
            bytes=(folder / file.name).stat().st_size,
        )
        for file in sorted(listing.files, key=lambda file: file.name)
    }


def _config(folder: Path) -> Mapping[str, object]:
    path = folder / "config.json"
    config = read_json(path)
    if not isinstance(config, dict):
        raise damaged(path, "is not an object")
    if not (folder / _TOKENIZER).is_file():
        raise UnsupportedModelError(
            f"the checkpoint has no {_TOKENIZER}",
            subject=folder.name,
            remedy="Choose another checkpoint of the model",
        )
    return config


def _architecture(folder: Path, config: Mapping[str, object]) -> str:
    match config.get("architectures"):
        case [str(name), *_]:
            return name
    raise damaged(folder / "config.json", "names no architecture")


def _dtype(folder: Path, config: Mapping[str, object]) -> str:
    dtype = config.get("dtype", config.get("torch_dtype"))
    if isinstance(dtype, str) and dtype in _DTYPES:
        return dtype
    raise UnsupportedModelError(
        f"the weights are of type {as_json(dtype)}, not {' or '.join(sorted(_DTYPES))}",
        subject=str(folder / "config.json"),
        remedy="Choose another checkpoint of the model",
    )


def _context_length(config: Mapping[str, object], entry: Entry) -> int:
    stated = config.get("max_position_embeddings")
    return (
        min(stated, entry.context_length)
        if type(stated) is int
        else entry.context_length
    )


def _quantisation(folder: Path, config: Mapping[str, object]) -> Quantisation:
    match config.get("quantization_config"):
        case {
            "quant_method": str(method),
            "bits": int(bits),
            "group_size": int(group_size),
            **rest,
        }:
            pass
        case _:
            raise UnsupportedModelError(
                "its config.json does not say how it is quantised",
                subject=folder.name,
                remedy="Choose another checkpoint of the model",
            )
    return Quantisation(
        method=method,
        bits=bits,
        group_size=group_size,
        sym=bool(rest.get("sym", not rest.get("zero_point", False))),
        desc_act=bool(rest.get("desc_act", False)),
        tool=_tool(rest),
    )


def _tool(raw: Mapping[object, object]) -> str:
    match raw.get("meta"):
        case {"quantizer": str(tool)} | {"quantizer": [str(tool), *_]}:
            return tool
    return _NOT_STATED


def _check_stated(listing: Listing, stated: Checkpoint, found: Quantisation) -> None:
    """Check the checkpoint against what the registry says of it."""
    for key in ("method", "bits", "group_size", "sym", "desc_act"):
        expected, actual = getattr(stated, key), getattr(found, key)
        if expected is not None and expected != actual:
            raise _contradiction(listing, key, actual, expected)


def _weights_sha256(listing: Listing) -> str:
    """Return the weights' hash; of several, that of the lines of ``sha256sum``."""
    hashes = {
        file.name: file.digest.removeprefix("sha256:")
        for file in sorted(listing.files, key=lambda file: file.name)
        if file.is_weights
    }
    if len(hashes) == 1:
        return hashes.popitem()[1]
    lines = "".join(f"{digest}  {name}\n" for name, digest in hashes.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def _contradiction(
    listing: Listing, key: str, actual: object, expected: object
) -> PullError:
    return PullError(
        f"its {key} is {as_json(actual)}, in the registry {as_json(expected)}",
        subject=listing.source,
        remedy="Do not use this source; tell Midfill's maintainers if it is the hub",
    )
