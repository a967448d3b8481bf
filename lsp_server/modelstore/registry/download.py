"""Downloads one file: continues where it was interrupted, and checks the hash."""

import hashlib
from contextlib import suppress
from pathlib import Path

from lsp_server.errors import BrokenOffError, PullError
from lsp_server.modelstore.registry.listing import RemoteFile
from lsp_server.modelstore.registry.transport import Progress, Transport

__all__ = ["fetch", "file_digest"]

_CHUNK_BYTES = 1 << 20
_ATTEMPTS = 3
"""Requests in a row that bring nothing, before the download is given up."""


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
