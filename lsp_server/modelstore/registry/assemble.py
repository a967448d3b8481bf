"""Downloads the files that a source offers, and makes a model folder of them.

Small files come first: what is not safe, or cannot run, is refused before the weights.
A download goes on where it was interrupted, and its hash is checked.
"""

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lsp_server.errors import BrokenOffError, PullError
from lsp_server.files import atomic_write
from lsp_server.modelstore.compatibility import check_quantisation
from lsp_server.modelstore.manifest import (
    MANIFEST_NAME,
    SIGNATURE_NAME,
    load_manifest,
    write_manifest,
)
from lsp_server.modelstore.registry.catalogue import Entry
from lsp_server.modelstore.registry.describe import (
    describe,
    describe_files_of,
    drop_chat_template,
)
from lsp_server.modelstore.registry.listing import Listing, RemoteFile
from lsp_server.modelstore.registry.transport import Progress, Transport
from lsp_server.modelstore.verify import refuse_unsafe, verify
from lsp_server.prompt.families import find_family
from lsp_server.prompt.selfcheck import resolve_family
from lsp_server.prompt.tokenizer import FastTokenizer

__all__ = [
    "assemble",
    "bring_signature",
    "fetch",
    "file_digest",
    "is_made_of",
    "require_space",
]

_CHUNK_BYTES = 1 << 20
_ATTEMPTS = 3
"""Requests in a row that bring nothing, before the download is given up."""


def assemble(
    transport: Transport,
    staging: Path,
    listing: Listing,
    *,
    name: str,
    entry: Entry | None,
    progress: Progress,
) -> Path:
    """Download all files into the staging folder, and make a model folder of them.

    Args:
        transport: What to fetch with.
        staging: Where to put them; what an earlier try left there is used.
        listing: What the source offers.
        name: The model's name.
        entry: What the registry knows of it; None for nothing.
        progress: Called as a file arrives.

    Returns:
        The model folder, inside ``staging``.

    Raises:
        PullError: The source or the network fails, or a file is not the listed one.
        ModelError: What came is not safe, not whole, or cannot be served.
        OSError: A file cannot be written.
    """
    model, incoming = staging / "model", staging / "incoming"
    incoming.mkdir(exist_ok=True)
    model.mkdir(exist_ok=True)
    _remove_others(model, listing)

    def download(files: Sequence[RemoteFile]) -> None:
        for file in files:
            target = model / file.name
            if not (
                target.is_file() and file_digest(target, file.digest) == file.digest
            ):
                fetch(
                    transport, file, target=target, incoming=incoming, progress=progress
                )

    download([file for file in listing.files if not file.is_weights])
    if listing.manifest is None:
        drop_chat_template(model)
    refuse_unsafe(model)
    manifest = describe(model, name, entry, listing)
    # A GPU runs all that a CPU does; what cannot run there cannot run at all.
    check_quantisation(model, manifest, device="cuda")
    resolve_family(FastTokenizer(model), find_family(manifest.family))
    download([file for file in listing.files if file.is_weights])
    if listing.manifest is None:
        manifest = replace(manifest, files=describe_files_of(model, listing))
        write_manifest(model, manifest)
    verify(model, manifest)
    bring_signature(model, listing)
    return model


def _remove_others(model: Path, listing: Listing) -> None:
    """Remove what an earlier pull of something else left."""
    wanted = {file.name for file in listing.files}
    for path in [path for path in model.rglob("*") if not path.is_dir()]:
        if path.relative_to(model).as_posix() not in wanted:
            path.unlink()


def is_made_of(folder: Path, listing: Listing) -> bool:
    """Return whether a model folder has exactly the files that a source offers."""
    if listing.manifest is not None:
        return (folder / MANIFEST_NAME).read_bytes() == listing.manifest
    source = load_manifest(folder).provenance.source
    return source == f"{listing.source}@{listing.revision}"


def bring_signature(folder: Path, listing: Listing) -> None:
    """Write the source's signature beside a manifest that had none, or another.

    Raises:
        OSError: It cannot be written.
    """
    if listing.signature is not None:
        with atomic_write(folder / SIGNATURE_NAME) as file:
            file.write(listing.signature)


def require_space(staging: Path, listing: Listing) -> None:
    """Check that the disk has room for what is still to come.

    Raises:
        PullError: It has not.
    """
    there = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    missing = sum(file.bytes for file in listing.files) - there
    free = shutil.disk_usage(staging).free
    if missing > free:
        raise PullError(
            f"{missing:,} bytes are needed, and {free:,} are free",
            subject=str(staging.parent),
            remedy="Free some space, or set registry.folder to another folder",
        )


def fetch(
    transport: Transport,
    file: RemoteFile,
    *,
    target: Path,
    incoming: Path,
    progress: Progress,
) -> None:
    """Download ``file`` to ``target``, whole and checked, or not at all.

    What came before an interruption waits in ``incoming`` under a name made of the
    hash, so that it can only ever become this content.

    Raises:
        PullError: The source fails, or its content does not have the hash.
        OSError: A file cannot be written.
    """
    part = incoming / file.digest.replace(":", "-")
    _fill(transport, file, part, progress)
    found = file_digest(part, file.digest)
    if found != file.digest:
        part.unlink()
        raise PullError(
            f"the content has the hash {found} instead of {file.digest}",
            subject=file.address,
            remedy="Do not use this source, or pull again if it was being changed",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    part.replace(target)


def file_digest(path: Path, like: str) -> str:
    """Return a file's digest, of the same kind as ``like``.

    Raises:
        OSError: It cannot be read.
    """
    if like.startswith("git:"):
        # Git's id of a blob, which the hub gives for small files; no safeguard against
        # somebody who can make two files with the same id.
        digest = hashlib.sha1(usedforsecurity=False)
        digest.update(f"blob {path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
        return f"git:{digest.hexdigest()}"
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _fill(
    transport: Transport, file: RemoteFile, part: Path, progress: Progress
) -> None:
    """Append to ``part`` until it has the file's size."""
    fruitless = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        if before > file.bytes:
            part.unlink()
            before = 0
        if before == file.bytes:
            part.touch()
            progress(file.name, before, file.bytes)
            return
        _append(transport, file, part, before, progress)
        after = part.stat().st_size if part.exists() else 0
        fruitless = 0 if after > before else fruitless + 1
        if after < file.bytes and fruitless >= _ATTEMPTS:
            raise PullError(
                f"the source broke off at {after:,} of {file.bytes:,} bytes",
                subject=file.address,
                remedy="Pull again: it goes on where it stopped",
            )


def _append(
    transport: Transport, file: RemoteFile, part: Path, start: int, progress: Progress
) -> None:
    """Append what one request brings; the caller asks for the rest."""
    with (
        suppress(BrokenOffError),
        transport.open(file.address, start=start) as content,
        part.open("ab" if content.start else "wb") as out,
    ):
        done = content.start
        for chunk in content.chunks:
            done += len(chunk)
            if done > file.bytes:
                raise PullError(
                    f"the source sends more than the {file.bytes:,} bytes it promised",
                    subject=file.address,
                    remedy="Do not use this source",
                )
            out.write(chunk)
            progress(file.name, done, file.bytes)
