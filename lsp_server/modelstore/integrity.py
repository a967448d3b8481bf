"""Checks that a model folder is, byte for byte, the one that its manifest describes."""

import hashlib
from pathlib import Path

from lsp_server.errors import ModelIntegrityError
from lsp_server.modelstore.json_file import damaged, read_json
from lsp_server.modelstore.safety import is_inside, refuse_unsafe, unsafe
from lsp_server.modelstore.tensor_fit import read_tensors, require_fit
from lsp_server.modelstore.values import Manifest

__all__ = ["MANIFEST_NAME", "hash_file", "verify"]

MANIFEST_NAME = "manifest.json"


def verify(folder: Path, manifest: Manifest) -> None:
    """Check every file of the folder, the cheap checks first.

    What could run code or reach outside is refused before anything else is read. Then
    come names, sizes, the heads of the weights, which must hold what ``config.json``
    describes, and at last the hashes.

    Raises:
        UnsafeModelError: The folder, or a shard index in it, is not safe to load.
        ModelIntegrityError: A file is missing, truncated, changed, or not listed.
    """
    present = [name for name in refuse_unsafe(folder) if name != MANIFEST_NAME]
    for name in present:
        if name.endswith(".index.json"):
            _check_index(folder / name, manifest)
    _check_names(folder, frozenset(present), manifest)
    _check_contents(folder, manifest)


def hash_file(path: Path) -> str:
    """Return the file's SHA-256 as hexadecimal digits, reading it piece by piece.

    Raises:
        ModelIntegrityError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise damaged(path, f"cannot be read ({exc.strerror})") from exc


def _check_index(path: Path, manifest: Manifest) -> None:
    """Check that a shard index names files of this folder alone."""
    match read_json(path):
        case {"weight_map": dict(weight_map)}:
            shards = set(map(str, weight_map.values()))
        case _:
            raise damaged(path, "has no weight map")
    for shard in sorted(shards):
        if not is_inside(shard):
            raise unsafe(path, f"names {shard!r}, which lies outside of the folder")
        if shard not in manifest.files:
            raise damaged(path, f"names {shard!r}, which is not in the manifest")


def _check_names(folder: Path, present: frozenset[str], manifest: Manifest) -> None:
    if missing := sorted(manifest.files.keys() - present):
        raise damaged(folder / missing[0], "is missing")
    if extra := sorted(present - manifest.files.keys()):
        raise ModelIntegrityError(
            "the file is not in the manifest",
            subject=str(folder / extra[0]),
            remedy="Remove it, or fetch the model again",
        )


def _check_contents(folder: Path, manifest: Manifest) -> None:
    for name, entry in manifest.files.items():
        found_bytes = (folder / name).stat().st_size
        if found_bytes != entry.bytes:
            raise damaged(
                folder / name, f"has {found_bytes} bytes instead of {entry.bytes}"
            )
    config = read_json(folder / "config.json")
    tensors = read_tensors(folder)
    if isinstance(config, dict):
        require_fit(folder, config, tensors)
    for name, entry in manifest.files.items():
        if hash_file(folder / name) != entry.sha256:
            raise damaged(folder / name, "is not the one that was shipped (SHA-256)")
