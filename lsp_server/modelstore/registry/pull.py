"""Pulls a model into the folder of models: whole and checked, or not at all.

Everything is downloaded into a hidden folder beside it and renamed at the end. Small
files come first: what is not safe, or cannot run, is refused before the weights.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from lsp_server.errors import PullError
from lsp_server.files import WholeFolder
from lsp_server.modelstore.compatibility import check_quantisation
from lsp_server.modelstore.locate import is_model_name
from lsp_server.modelstore.manifest import load_manifest, write_manifest
from lsp_server.modelstore.registry.catalogue import Entry
from lsp_server.modelstore.registry.describe import (
    describe,
    describe_files_of,
    drop_chat_template,
)
from lsp_server.modelstore.registry.download import Progress, fetch, file_digest
from lsp_server.modelstore.registry.listing import (
    Listing,
    Pins,
    RemoteFile,
    list_folder,
    list_hub,
    require_same,
)
from lsp_server.modelstore.registry.transport import Transport
from lsp_server.modelstore.verify import refuse_unsafe, verify
from lsp_server.prompt.families import find_family
from lsp_server.prompt.selfcheck import resolve_family
from lsp_server.prompt.tokenizer import FastTokenizer

__all__ = ["PullJob", "find_local", "pull"]

Say = Callable[[str], None]

_IF_FULL = "Free some space and pull again: it goes on where it stopped"
_IF_REFUSED = "Correct the permissions, or set registry.folder to another folder"


class Source(Protocol):
    """Lists a model's files, at a revision or at the newest."""

    def __call__(self, revision: str | None) -> Listing:
        """List them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PullJob:
    """What to fetch, and where to.

    Attributes:
        name: The model's name, that of its folder.
        entry: What the registry knows of it; None for a model that is not in it.
        root: The folder of models.
        hub: The hub's address.
        base: The address of a model folder to take instead of the hub's; empty for
            the hub.
    """

    name: str
    entry: Entry | None
    root: Path
    hub: str
    base: str


def find_local(job: PullJob) -> Path | None:
    """Return the model's folder if it is there and whole; None if it is not there.

    Raises:
        PullError: The name is not a plain one.
        ModelError: It is there, but not as its manifest says.
    """
    if not is_model_name(job.name):
        raise PullError(
            "this is not a plain name",
            subject=repr(job.name),
            remedy="Use letters, digits, dots, dashes and underscores",
        )
    folder = job.root / job.name
    if not folder.exists():
        return None
    verify(folder, load_manifest(folder))
    return folder


def pull(job: PullJob, transport: Transport, *, say: Say, progress: Progress) -> Path:
    """Fetch the model, and return its folder.

    Args:
        job: What to fetch, and where to.
        transport: What to fetch with.
        say: Called with each sentence for the user.
        progress: Called as a file arrives.

    Raises:
        PullError: The source, the network or the disk fails; what came stays, and
            the next pull goes on there.
        ModelError: What came is not safe, not whole, or cannot be served.
    """
    if (there := find_local(job)) is not None:
        say(f"{job.name} is already there, and whole")
        return there
    source = _source(job, transport)
    target = job.root / job.name
    whole = WholeFolder(
        output=target,
        holds="model",
        error=PullError,
        if_full=_IF_FULL,
        if_refused=_IF_REFUSED,
    )
    with whole.resumable() as staging:
        listing = _pinned_listing(job, source, say)
        _require_space(staging, listing)
        whole.publish(_fetched(job, listing, transport, staging, progress))
    return target


def _source(job: PullJob, transport: Transport) -> Source:
    if job.base:
        return lambda _revision: list_folder(transport, job.base)
    checkpoint = job.entry.checkpoint if job.entry else None
    if checkpoint is None:
        raise PullError(
            "no checkpoint on the hub is known for it",
            subject=job.name,
            remedy="Name a folder on the web or in S3 with --from, or quantise the "
            "model with `midfill quantize`",
        )
    return lambda revision: list_hub(transport, job.hub, checkpoint.hub_id, revision)


def _pinned_listing(job: PullJob, source: Source, say: Say) -> Listing:
    """List the files at the pinned revision, or pin the one that is there now."""
    pins = Pins(job.root)
    checkpoint = job.entry.checkpoint if job.entry else None
    where = job.base.rstrip("/") or (
        f"{job.hub}/{checkpoint.hub_id}" if checkpoint else ""
    )
    pin = pins.find(job.name, where)
    if pin is not None:
        listing = source(pin.revision)
        require_same(pin, listing)
        return listing
    stated = checkpoint.revision if checkpoint else None
    listing = source(stated)
    _require_stated(job, listing)
    pins.keep(job.name, listing)
    how = "as the registry states" if stated else "which no source had stated"
    say(f"pinned revision {listing.revision}, {how}, in {pins.path}")
    return listing


def _require_stated(job: PullJob, listing: Listing) -> None:
    """Check the hub's files against the hashes that the registry states."""
    if job.base or job.entry is None or job.entry.checkpoint is None:
        return
    for file in listing.files:
        stated = job.entry.checkpoint.sha256.get(file.name)
        if stated and file.digest != f"sha256:{stated}":
            raise PullError(
                f"{file.name} has the hash {file.digest}, in the registry {stated}",
                subject=listing.source,
                remedy="Do not use this source; tell Midfill's maintainers",
            )


def _fetched(
    job: PullJob,
    listing: Listing,
    transport: Transport,
    staging: Path,
    progress: Progress,
) -> Path:
    """Download all files into the staging folder, and make a model folder of them."""
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
    manifest = describe(model, job.name, job.entry, listing)
    # A GPU runs all that a CPU does; what cannot run there cannot run at all.
    check_quantisation(model, manifest, device="cuda")
    resolve_family(FastTokenizer(model), find_family(manifest.family))
    download([file for file in listing.files if file.is_weights])
    if listing.manifest is None:
        manifest = replace(manifest, files=describe_files_of(model, listing))
        write_manifest(model, manifest)
    verify(model, manifest)
    return model


def _remove_others(model: Path, listing: Listing) -> None:
    """Remove what an earlier pull of something else left."""
    wanted = {file.name for file in listing.files}
    for path in [path for path in model.rglob("*") if not path.is_dir()]:
        if path.relative_to(model).as_posix() not in wanted:
            path.unlink()


def _require_space(staging: Path, listing: Listing) -> None:
    there = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    missing = sum(file.bytes for file in listing.files) - there
    free = shutil.disk_usage(staging).free
    if missing > free:
        raise PullError(
            f"{missing:,} bytes are needed, and {free:,} are free",
            subject=str(staging.parent),
            remedy="Free some space, or set registry.folder to another folder",
        )
