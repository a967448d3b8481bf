"""Pushes a model folder into a store, where others pull it from.

The manifest goes last, so that what broke off half-way is no model to anybody; pushing
again goes on with the files that are missing.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lsp_server.errors import PullError
from lsp_server.modelstore.manifest import (
    MANIFEST_NAME,
    SIGNATURE_NAME,
    FileEntry,
    load_manifest,
)
from lsp_server.modelstore.model_files import is_inside
from lsp_server.modelstore.registry.transport import Progress
from lsp_server.modelstore.signature import Trust
from lsp_server.modelstore.verify import verify

__all__ = ["PushJob", "Store", "push"]


class Store(Protocol):
    """A store that can be written to; `S3` is one."""

    def find(self, address: str) -> bytes | None:
        """Return a small object's content; None if there is no such object."""
        ...

    def stored(self, address: str) -> FileEntry | None:
        """Return what is known of an object without reading it."""
        ...

    def upload(
        self, path: Path, address: str, entry: FileEntry, progress: Progress
    ) -> None:
        """Write a file, whole or not at all."""
        ...

    def put(self, address: str, content: bytes) -> None:
        """Write a small object."""
        ...

    def remove(self, address: str) -> None:
        """Remove an object, if it is there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PushJob:
    """What to push, and where to.

    Attributes:
        folder: The model folder.
        base: The address of the folder in the store, ``s3://BUCKET/FOLDER``.
        signature: The signature file to go with it; None for none.
        trust: Whose signature is needed; what would be refused here is not pushed.
        replace: Whether another model that is there may be replaced.
    """

    folder: Path
    base: str
    signature: bytes | None
    trust: Trust
    replace: bool


def push(
    job: PushJob, store: Store, *, say: Callable[[str], None], progress: Progress
) -> None:
    """Verify a model folder, and write it to the store.

    Args:
        job: What to push, and where to.
        store: What to write to.
        say: Called with each sentence for the user.
        progress: Called as a file is sent.

    Raises:
        ModelError: The folder is not whole, not safe, or not signed as it has to be.
        PullError: Another model is there, or the store does not take this one; what
            was sent stays, and the next push goes on there.
    """
    base = job.base.rstrip("/")
    _require_folder(base)
    manifest = load_manifest(job.folder)
    verify(job.folder, manifest)
    content = (job.folder / MANIFEST_NAME).read_bytes()
    job.trust.check(content, job.signature, subject=str(job.folder))
    there = store.find(f"{base}/{MANIFEST_NAME}")
    if there is not None and there != content:
        if not job.replace:
            raise PullError(
                f"another model is there already{_named(there)}",
                subject=base,
                remedy="Name another folder, one for each version, or replace it "
                "with --replace",
            )
        # From here on a pull finds no model instead of parts of two.
        store.remove(f"{base}/{MANIFEST_NAME}")
    sent = _send_files(job.folder, base, manifest.files, store, progress)
    # A signature of the same manifest that somebody else has made stays.
    if job.signature is not None or there != content:
        sent |= _send_signature(base, job.signature, store)
    if sent or there != content:
        store.put(f"{base}/{MANIFEST_NAME}", content)
        say(f"{manifest.name} is in {base}")
    else:
        say(f"{manifest.name} is already in {base}, and whole")
    for name in _names(there) - {*manifest.files, MANIFEST_NAME, SIGNATURE_NAME}:
        store.remove(f"{base}/{name}")


def _send_files(
    folder: Path,
    base: str,
    files: Mapping[str, FileEntry],
    store: Store,
    progress: Progress,
) -> bool:
    """Send what the store lacks, small files first; return whether that was any."""
    sent = False
    for name, entry in sorted(files.items(), key=lambda item: item[1].bytes):
        address = f"{base}/{name}"
        if store.stored(address) != entry:
            store.upload(folder / name, address, entry, progress)
            sent = True
    # Somebody else may push to the same place, and a store may lie.
    for name, entry in files.items():
        if store.stored(f"{base}/{name}") != entry:
            raise PullError(
                "the store does not hold what was sent to it",
                subject=f"{base}/{name}",
                remedy="Check that nobody else pushes there, and push again",
            )
    return sent


def _send_signature(base: str, signature: bytes | None, store: Store) -> bool:
    """Bring the signature in the store up to date; return whether it was not."""
    address = f"{base}/{SIGNATURE_NAME}"
    there = store.find(address)
    if there == signature:
        return False
    if signature is None:
        store.remove(address)
    else:
        store.put(address, signature)
    return True


def _require_folder(base: str) -> None:
    """Check that the address is that of a folder in a bucket."""
    _, _, path = base.removeprefix("s3://").partition("/")
    if not base.startswith("s3://") or not path:
        raise PullError(
            "it is not that of a folder in a bucket",
            # Not the address: somebody may have written a key into it.
            subject="the address",
            remedy="Write s3://BUCKET/FOLDER, with a folder of the model's own",
        )


def _named(manifest: bytes) -> str:
    """Return the name in another manifest as a clause; empty if it has none."""
    match _decoded(manifest):
        case {"name": str(name)}:
            return f", {name!r}"
    return ""


def _names(manifest: bytes | None) -> set[str]:
    """Return the files that another manifest lists, as far as they are plain names."""
    match _decoded(manifest or b"{}"):
        case {"files": dict(files)}:
            return {str(name) for name in files if is_inside(str(name))}
    return set()


def _decoded(manifest: bytes) -> object:
    try:
        decoded: object = json.loads(manifest)
    except (ValueError, RecursionError):
        return None
    return decoded
