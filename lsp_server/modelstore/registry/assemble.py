"""Makes a model folder of the files that a source offers.

Small files come first: what is not safe, or cannot run, is refused before the weights.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lsp_server.errors import PullError
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
from lsp_server.modelstore.registry.download import fetch, file_digest
from lsp_server.modelstore.registry.listing import Listing, RemoteFile
from lsp_server.modelstore.registry.transport import Progress, Transport
from lsp_server.modelstore.verify import refuse_unsafe, verify
from lsp_server.prompt.families import find_family
from lsp_server.prompt.selfcheck import resolve_family
from lsp_server.prompt.tokenizer import FastTokenizer

__all__ = ["assemble", "bring_signature", "is_made_of", "require_space"]


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
    """Return whether a whole model folder is what a source offers."""
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
