"""Checks that a model folder is safe, and is the one that its manifest describes.

Only kinds of files that a model needs are accepted: what is unknown is refused.
"""

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path

from lsp_server.errors import ModelIntegrityError, UnsafeModelError
from lsp_server.modelstore.compatibility import read_tensors, require_fit
from lsp_server.modelstore.manifest import (
    MANIFEST_NAME,
    SIGNATURE_NAME,
    FileEntry,
    Manifest,
)
from lsp_server.modelstore.model_files import damaged, is_inside, read_json

__all__ = [
    "describe_files",
    "hash_file",
    "refuse_unsafe",
    "require_digest",
    "verify",
    "walk",
]

_ALLOWED_SUFFIXES = frozenset({".json", ".md", ".model", ".safetensors", ".txt"})
_ALLOWED_NAMES = frozenset({"LICENSE", "LICENCE", "NOTICE", SIGNATURE_NAME})
# They describe the files that a manifest lists, and are none of them.
_DESCRIPTIONS = frozenset({MANIFEST_NAME, SIGNATURE_NAME})
_PICKLES = frozenset(
    {".bin", ".ckpt", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth"}
)
_CODE = frozenset({".dll", ".dylib", ".py", ".pyc", ".pyd", ".pyi", ".sh", ".so"})
_FORBIDDEN_KEYS = frozenset({"auto_map", "chat_template", "trust_remote_code"})
# Their keys are tokens, not settings: `auto_map` is a word that code contains.
_VOCABULARIES = frozenset({"added_tokens.json", "tokenizer.json", "vocab.json"})


def verify(folder: Path, manifest: Manifest) -> None:
    """Check every file of the folder, the cheap checks first.

    What could run code or reach outside is refused before anything else is read. Then
    come names, sizes, the headers of the weights, which must hold what ``config.json``
    describes, and at last the hashes.

    Raises:
        UnsafeModelError: The folder, or a shard index in it, is not safe to load.
        ModelIntegrityError: A file is missing, truncated, changed, or not listed.
    """
    present = [name for name in refuse_unsafe(folder) if name not in _DESCRIPTIONS]
    for name in present:
        if name.endswith(".index.json"):
            _check_index(folder / name, manifest)
    _check_names(folder, frozenset(present), manifest)
    _check_contents(folder, manifest)


def require_digest(folder: Path, sha256: str) -> None:
    """Check that a folder's manifest is the one that is asked for.

    With it every file that it lists is, once `verify` has compared their hashes.

    Args:
        folder: A model folder.
        sha256: The SHA-256 of the manifest, as hexadecimal digits.

    Raises:
        ModelIntegrityError: It is another one, or cannot be read.
    """
    found = hash_file(folder / MANIFEST_NAME)
    if found != sha256.lower():
        raise ModelIntegrityError(
            f"this is another model than model.sha256 asks for: its manifest has the "
            f"SHA-256 {found}",
            subject=str(folder),
            remedy=f"Fetch the model whose manifest has {sha256}, or correct the "
            "setting",
        )


def describe_files(folder: Path) -> dict[str, FileEntry]:
    """Return size and hash of every file that a manifest of ``folder`` would list.

    Raises:
        UnsafeModelError: The folder is not safe to load.
        ModelIntegrityError: A file cannot be read.
    """
    return {
        name: FileEntry(
            sha256=hash_file(folder / name), bytes=(folder / name).stat().st_size
        )
        for name in refuse_unsafe(folder)
        if name not in _DESCRIPTIONS
    }


def hash_file(path: Path) -> str:
    """Return the file's SHA-256 as hexadecimal digits, reading it in chunks.

    Raises:
        ModelIntegrityError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise damaged(path, f"cannot be read ({exc.strerror})") from exc


def refuse_unsafe(folder: Path) -> tuple[str, ...]:
    """Check every file below ``folder``, and return their relative names, sorted.

    Raises:
        UnsafeModelError: There is a symbolic link, a special file, a pickle, code, a
            file of a kind that no model needs, a chat template, or a JSON file with
            ``auto_map`` or ``trust_remote_code``.
        ModelIntegrityError: A JSON file cannot be read.
    """
    names = sorted(walk(folder))
    for name in names:
        _refuse_kind(folder / name)
    for name in names:
        path = folder / name
        if path.suffix == ".json" and path.name not in _VOCABULARIES:
            _refuse_keys(path)
    return tuple(names)


def walk(folder: Path) -> Iterator[str]:
    """Yield the relative name of every file below ``folder``, following no link.

    Raises:
        UnsafeModelError: There is a symbolic link or a special file.
        ModelIntegrityError: A folder cannot be listed.
    """
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            found = [(path, path.lstat().st_mode) for path in current.iterdir()]
        except OSError as exc:
            raise ModelIntegrityError(
                f"the folder cannot be listed ({exc.strerror})",
                subject=str(current),
                remedy="Correct its permissions, or fetch the model again",
            ) from exc
        for path, mode in found:
            if stat.S_ISDIR(mode):
                waiting.append(path)
            elif stat.S_ISREG(mode):
                yield path.relative_to(folder).as_posix()
            elif stat.S_ISLNK(mode):
                raise _unsafe(path, "is a symbolic link")
            else:
                raise _unsafe(path, "is a device, a pipe or a socket")


def _check_index(path: Path, manifest: Manifest) -> None:
    """Check that a shard index names files of this folder alone."""
    match read_json(path):
        case {"weight_map": dict(weight_map)}:
            shards = set(map(str, weight_map.values()))
        case _:
            raise damaged(path, "has no weight map")
    for shard in sorted(shards):
        if not is_inside(shard):
            raise _unsafe(path, f"names {shard!r}, which lies outside of the folder")
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


def _refuse_kind(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise _unsafe(path, "can hold a pickle, which runs code when it is read")
    if suffix in _CODE:
        raise _unsafe(path, "is code")
    if path.name.startswith("chat_template"):
        raise _unsafe(path, "is a chat template, which is a program, and not needed")
    if suffix not in _ALLOWED_SUFFIXES and path.name not in _ALLOWED_NAMES:
        raise _unsafe(path, "is of a kind that no model needs")


def _refuse_keys(path: Path) -> None:
    waiting = [read_json(path)]
    while waiting:
        match waiting.pop():
            case dict() as members:
                for key in sorted(_FORBIDDEN_KEYS.intersection(members)):
                    raise _unsafe(
                        path, f"has the key {key!r}, by which a model brings code"
                    )
                waiting.extend(members.values())
            case list() as items:
                waiting.extend(items)
            case _:
                pass


def _unsafe(path: Path, what: str) -> UnsafeModelError:
    """Return the error for a file that must not be loaded."""
    return UnsafeModelError(
        f"the file {what}",
        subject=str(path),
        remedy="Do not use this folder unless you know why the file is there; a "
        "model for Midfill holds safetensors, JSON and text alone",
    )
