"""Fetches one file: goes on where it was interrupted, and checks the hash."""

import errno
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import TypeAlias

from lsp_server.errors import PullError
from lsp_server.modelstore.registry.remote import RemoteFile, file_digest
from lsp_server.modelstore.registry.transport import Transport

__all__ = ["IF_FULL", "IF_REFUSED", "Progress", "disk_error", "fetch"]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told the file's name, the bytes that are there, and those that there will be."""

IF_FULL = "Free some space and pull again: it goes on where it stopped"
IF_REFUSED = "Correct the permissions, or set registry.folder to another folder"

_CHUNK_BYTES = 1 << 20
_ATTEMPTS = 3


def fetch(
    transport: Transport,
    file: RemoteFile,
    *,
    target: Path,
    incoming: Path,
    progress: Progress,
) -> None:
    """Bring ``file`` to ``target``, whole and checked, or not at all.

    What came before an interruption waits in ``incoming`` under a name made of the
    hash, so that it can only ever become this content.

    Raises:
        PullError: The source fails, its content is not that of the hash, or the disk
            is full.
    """
    part = incoming / file.digest.replace(":", "-")
    try:
        _fill(transport, file, part, progress)
        found = file_digest(part, file.digest)
        if found != file.digest:
            part.unlink()
            raise PullError(
                f"the content has the hash {found} instead of {file.digest}",
                subject=file.address,
                remedy="Do not use this source, or try again if it was being changed",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        part.replace(target)
    except OSError as exc:
        raise disk_error(part, exc) from exc


def disk_error(path: Path, exc: OSError) -> PullError:
    """Make the error for a folder that cannot be written."""
    full = exc.errno in {errno.ENOSPC, errno.EDQUOT}
    return PullError(
        "the disk is full" if full else f"it cannot be written ({exc.strerror})",
        subject=str(path),
        remedy=IF_FULL if full else IF_REFUSED,
    )


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
    """Read once, as far as the source goes."""
    response, first = transport.open(file.address, start=start)
    with response, part.open("ab" if first else "wb") as out:
        done = first
        while True:
            try:
                chunk = response.read(_CHUNK_BYTES)
            # The network broke; the caller asks for the rest.
            except (ConnectionError, TimeoutError, HTTPException):
                return
            if not chunk:
                return
            done += len(chunk)
            if done > file.bytes:
                raise PullError(
                    f"the source sends more than the {file.bytes:,} bytes it promised",
                    subject=file.address,
                    remedy="Do not use this source",
                )
            out.write(chunk)
            progress(file.name, done, file.bytes)
