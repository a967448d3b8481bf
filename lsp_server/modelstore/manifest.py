"""Reads and writes ``manifest.json``, the description of a model folder.

This is the door through which the server comes: it also gives the checks that a
folder must pass before anything loads it.
"""

import datetime
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from lsp_server.errors import (
    ModelIntegrityError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from lsp_server.files import atomic_write_text
from lsp_server.modelstore.integrity import MANIFEST_NAME, hash_file, verify
from lsp_server.modelstore.json_file import read_json
from lsp_server.modelstore.quantisation import check_quantisation
from lsp_server.modelstore.safety import is_inside, refuse_unsafe
from lsp_server.modelstore.strict import ShapeError, build
from lsp_server.modelstore.values import FileEntry, Manifest, Provenance, Quantisation

__all__ = [
    "MANIFEST_NAME",
    "FileEntry",
    "Manifest",
    "Provenance",
    "Quantisation",
    "check_quantisation",
    "describe_files",
    "load_manifest",
    "verify",
    "write_manifest",
]

_FORMAT = 1
"""Raised when a reader of the old form could not read the new one."""

_DTYPES = ("bfloat16", "float16")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest of a model folder; no other file is looked at.

    Raises:
        ModelNotFoundError: There is no such folder, or no manifest in it.
        ModelIntegrityError: The manifest is not one; the message names the key.
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
    raw = read_json(path)
    if isinstance(raw, dict):
        _check_format(path, raw.pop("format", None))
    try:
        manifest = build(Manifest, raw)
    except ShapeError as exc:
        raise _bad(path, str(exc)) from exc
    _check(manifest, path)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, whole or not at all.

    Raises:
        ModelIntegrityError: It is not one that `load_manifest` would take.
        UnsafeModelError: It names a file outside of the folder.
        OSError: It cannot be written.
    """
    path = folder / MANIFEST_NAME
    _check(manifest, path)
    content = json.dumps({"format": _FORMAT, **asdict(manifest)}, indent=2)
    atomic_write_text(path, f"{content}\n")


def describe_files(folder: Path) -> dict[str, FileEntry]:
    """Give size and hash of every file below ``folder`` but the manifest.

    Raises:
        UnsafeModelError: The folder is not safe to load.
        ModelIntegrityError: A file cannot be read.
    """
    return {
        name: FileEntry(
            sha256=hash_file(folder / name), bytes=(folder / name).stat().st_size
        )
        for name in refuse_unsafe(folder)
        if name != MANIFEST_NAME
    }


def _check_format(path: Path, found: object) -> None:
    if type(found) is not int:
        raise _bad(path, "the key 'format' is missing, or not a whole number")
    if found != _FORMAT:
        raise UnsupportedModelError(
            f"the manifest has format {found}, and this Midfill reads {_FORMAT}",
            subject=str(path),
            remedy="Use a later Midfill",
        )


def _check(manifest: Manifest, path: Path) -> None:
    """Check what a type cannot say."""
    for name in manifest.files:
        if not is_inside(name):
            raise UnsafeModelError(
                f"the manifest names {name!r}, which lies outside of the folder",
                subject=str(path),
                remedy="Do not use this folder",
            )
    for key, is_good, expected in _rules(manifest):
        if not is_good:
            raise _bad(path, f"the key {key!r} is not {expected}")


def _rules(manifest: Manifest) -> Iterator[tuple[str, bool, str]]:
    """Give each rule as key, whether it holds, and what would be right."""
    yield "name", bool(_NAME.fullmatch(manifest.name)), "a plain name"
    yield "context_length", manifest.context_length > 0, "a positive number"
    yield "parameters", manifest.parameters > 0, "a positive number"
    yield "dtype", manifest.dtype in _DTYPES, f"one of {', '.join(_DTYPES)}"
    yield "tokenizer", manifest.tokenizer in manifest.files, "one of the files"
    yield "provenance.date", _is_day(manifest.provenance.date), "a day as YYYY-MM-DD"
    yield (
        "provenance.source_sha256",
        bool(_SHA256.fullmatch(manifest.provenance.source_sha256)),
        "64 lower-case hexadecimal digits",
    )
    yield "files", "config.json" in manifest.files, "complete: config.json is missing"
    yield (
        "files",
        any(name.endswith(".safetensors") for name in manifest.files),
        "complete: there are no weights",
    )
    yield "files", MANIFEST_NAME not in manifest.files, "free of the manifest itself"
    for name, entry in manifest.files.items():
        at = f"files.{name}"
        yield f"{at}.bytes", entry.bytes >= 0, "a size"
        yield (
            f"{at}.sha256",
            bool(_SHA256.fullmatch(entry.sha256)),
            "64 lower-case hexadecimal digits",
        )


def _is_day(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _bad(path: Path, what: str) -> ModelIntegrityError:
    return ModelIntegrityError(
        f"the manifest cannot be used: {what}",
        subject=str(path),
        remedy="Fetch the model again, or correct its manifest",
    )
