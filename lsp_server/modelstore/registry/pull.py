"""Pulls a model into the folder of models: whole and checked, or not at all.

Everything is downloaded into a hidden folder beside it and renamed at the end.
"""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from lsp_server.errors import ModelError, PullError, UnsafeModelError
from lsp_server.files import WholeFolder
from lsp_server.modelstore.locate import is_model_name, previous_folder
from lsp_server.modelstore.manifest import MANIFEST_NAME, load_manifest
from lsp_server.modelstore.registry.assemble import (
    assemble,
    bring_signature,
    is_made_of,
    require_space,
)
from lsp_server.modelstore.registry.catalogue import Entry
from lsp_server.modelstore.registry.listing import Listing, list_folder, list_hub
from lsp_server.modelstore.registry.pins import Pins, require_same
from lsp_server.modelstore.registry.transport import Progress, Transport
from lsp_server.modelstore.signature import Trust
from lsp_server.modelstore.verify import hash_file, verify

__all__ = ["PullJob", "find_local", "pull"]

Say = Callable[[str], None]

_MOST_REVISIONS = 3
"""So often a model may be replaced at its source while it is fetched."""

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
        trust: Whose signature the model needs; None for nobody's.
        update: Whether what is there and pinned gives way to what the source has now.
    """

    name: str
    entry: Entry | None
    root: Path
    hub: str
    base: str
    trust: Trust | None = None
    update: bool = False


def find_local(job: PullJob) -> Path | None:
    """Return the model's folder if it is there and whole; None if it is not there.

    Raises:
        PullError: The name is not a plain one.
        ModelError: It is there, but not as its manifest says, or not signed.
    """
    if not is_model_name(job.name):
        raise PullError(
            "this is not a plain name",
            subject=repr(job.name),
            remedy="Use letters, digits, dots, dashes and underscores; --name renames",
        )
    folder = job.root / job.name
    if not folder.exists():
        return None
    if job.trust is not None:
        job.trust.check_folder(folder)
    verify(folder, load_manifest(folder))
    return folder


def pull(job: PullJob, transport: Transport, *, say: Say, progress: Progress) -> Path:
    """Fetch the model, and return its folder.

    Where a model of another revision is there, an update swaps the new one in when it
    is whole; the one that was there stays as `previous_folder`.

    Args:
        job: What to fetch, and where to.
        transport: What to fetch with.
        say: Called with each sentence for the user.
        progress: Called as a file arrives.

    Raises:
        PullError: The source, the network or the disk fails; what came stays, and
            the next pull goes on there.
        ModelError: What came is not safe, not whole, not signed, or cannot be served.
    """
    there = _there(job, say)
    if there is not None and not job.update and _is_of_source(job, there):
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
        listing, is_pinned = _listing(job, source, say)
        if there is not None and is_made_of(there, listing):
            bring_signature(there, listing)
            Pins(job.root).keep(job.name, listing)
            say(f"{job.name} is there already, as {listing.source} has it now")
            return there
        if target.exists() and not job.update:
            raise _other_model(job)
        older = previous_folder(target)
        if target.exists():
            shutil.rmtree(older, ignore_errors=True)
            older.parent.mkdir(exist_ok=True)
        require_space(staging, listing)
        listing, model = _of_one_revision(
            job,
            listing,
            partial(
                assemble,
                transport,
                staging,
                name=job.name,
                entry=job.entry,
                progress=progress,
            ),
            source=None if is_pinned else source,
            say=say,
        )
        whole.replace(model, aside=older)
        Pins(job.root).keep(job.name, listing)
    return target


def _there(job: PullJob, say: Say) -> Path | None:
    """Return the model's folder; for an update, None if it cannot be used."""
    target = job.root / job.name
    # The process that was replacing it ended between two renames.
    if is_model_name(job.name) and not target.exists():
        with suppress(OSError):
            previous_folder(target).rename(target)
    try:
        return find_local(job)
    except ModelError as exc:
        if not job.update:
            raise
        say(f"what is there cannot be used, and is fetched again: {exc}")
        return None


def _is_of_source(job: PullJob, folder: Path) -> bool:
    """Return whether the folder was fetched from the source that is asked for.

    Raises:
        PullError: Another model than the pinned one is there.
    """
    if not job.base:
        return True
    pin = Pins(job.root).find(job.name, job.base.rstrip("/"))
    if pin is None:
        return False
    if pin.revision != hash_file(folder / MANIFEST_NAME):
        raise _other_model(job)
    return True


def _of_one_revision(
    job: PullJob,
    listing: Listing,
    fetched: Callable[[Listing], Path],
    *,
    source: Source | None,
    say: Say,
) -> tuple[Listing, Path]:
    """Fetch a model whose files are all of the same revision.

    Args:
        job: What to fetch.
        listing: What the source offered.
        fetched: Fetches what is listed, and returns the model folder.
        source: Asked again where files are not as they were listed: somebody may have
            replaced the model meanwhile. None where only this listing will do.
        say: Called with each sentence for the user.

    Raises:
        PullError: The files are not as they were listed.
    """
    for _ in range(_MOST_REVISIONS):
        try:
            return listing, fetched(listing)
        except PullError:
            newer = listing
            with suppress(PullError):
                newer = source(None) if source and job.base else listing
            if newer.revision == listing.revision:
                raise
            say(f"{listing.source} was changed meanwhile; fetching what is there now")
            listing = newer
    raise PullError(
        "the model is replaced again and again while it is fetched",
        subject=listing.source,
        remedy="Pull again when whoever pushes there is done",
    )


def _source(job: PullJob, transport: Transport) -> Source:
    if job.base:
        return lambda _revision: list_folder(transport, job.base, job.trust)
    if job.trust is not None and job.trust.required:
        raise UnsafeModelError(
            "the hub's models are not signed, as models.require_signature asks for",
            subject=job.name,
            remedy="Pull it elsewhere, sign it with `midfill models sign`, push it to "
            "a store, and pull it from there",
        )
    checkpoint = job.entry.checkpoint if job.entry else None
    if checkpoint is None:
        raise PullError(
            "no checkpoint on the hub is known for it",
            subject=job.name,
            remedy="Name a folder on the web or in S3 with --from, or quantise the "
            "model with `midfill quantize`",
        )
    return lambda revision: list_hub(transport, job.hub, checkpoint.hub_id, revision)


def _listing(job: PullJob, source: Source, say: Say) -> tuple[Listing, bool]:
    """List the files at the pinned revision, or pin the one that is there now.

    For an update the newest is taken, and pinned when it has come.

    Returns:
        The files, and whether an earlier pull had pinned them.
    """
    pins = Pins(job.root)
    checkpoint = job.entry.checkpoint if job.entry else None
    where = job.base.rstrip("/") or (
        f"{job.hub}/{checkpoint.hub_id}" if checkpoint else ""
    )
    pin = pins.find(job.name, where)
    if pin is not None and not job.update:
        listing = source(pin.revision)
        require_same(pin, listing)
        return listing, True
    stated = checkpoint.revision if checkpoint else None
    listing = source(stated)
    _require_stated(job, listing)
    if not job.update:
        pins.keep(job.name, listing)
        how = "as the registry states" if stated else "which no source had stated"
        say(f"pinned revision {listing.revision}, {how}, in {pins.path}")
    return listing, False


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


def _other_model(job: PullJob) -> PullError:
    return PullError(
        "another model of this name is there",
        subject=str(job.root / job.name),
        remedy="Pull with --update to replace it, or choose another name with --name",
    )
