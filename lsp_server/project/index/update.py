"""Brings the index of a workspace up to what its files hold."""

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

from lsp_server.project.index.source_files import (
    FolderListing,
    SourceFiles,
    kind_of,
    read_source_file,
)
from lsp_server.project.index.store import IndexStore, Stored
from lsp_server.project.index.terms import index_chunks

__all__ = ["DefinedNames", "IndexLimits", "IndexUpdate"]

DefinedNames = Callable[[PurePath, str], Iterable[str]]
"""Returns the names that a file defines, from its path and text."""

_BATCH_FILES = 32
_UNSETTLED_NS = 2_000_000_000
"""A file that was changed so shortly before may change again in the same tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexLimits:
    """How much of a workspace is indexed.

    Attributes:
        file_bytes: Larger files are not.
        files: The most files.
        index_bytes: The most that the index takes on disk.
    """

    file_bytes: int
    files: int
    index_bytes: int


class IndexUpdate:
    """Compares folders with the index, and writes the differences.

    Args:
        root: The workspace folder, without symbolic links.
        store: The index.
        files: Lists the workspace's source files.
        limits: How much is indexed.
        defined_names: Finds the names that a file defines.
        pause: Called between files; what it raises ends the work, and the index stays
            whole.
    """

    def __init__(
        self,
        root: Path,
        store: IndexStore,
        files: SourceFiles,
        *,
        limits: IndexLimits,
        defined_names: DefinedNames,
        pause: Callable[[], None],
    ) -> None:
        self._root = root
        self._store = store
        self._files = files
        self._limits = limits
        self._defined_names = defined_names
        self._pause = pause
        self._known: dict[str, tuple[str, ...]] = {}
        self.left_out = False
        """Whether there are more files than the limit allows."""

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that the last scan found, relative to the workspace."""
        return tuple(self._known)

    def scan(self) -> None:
        """Bring all of the index up to date.

        Raises:
            OSError: The workspace folder cannot be read; the index stays as it is.
        """
        known: dict[str, tuple[str, ...]] = {}
        room = self._limits.files
        self.left_out = False
        for listing in self._files.walk():
            self._apply(listing, room)
            room = max(0, room - len(listing.files))
            known[listing.folder] = listing.folders
        for folder in self._store.folders():
            if folder not in known:
                with self._store.changes():
                    self._store.remove_folder(folder)
        self._known = known

    def update(self, folder: str) -> bool:
        """Bring one folder up to date, without those below it.

        Returns:
            False where a scan is needed: there are other folders than before.
        """
        if folder not in self._known:
            return True
        try:
            listing = self._files.listing(folder)
        except OSError:
            return False
        stored = len(self._store.files_in(folder))
        self._apply(listing, self._limits.files - self._store.count() + stored)
        return listing.folders == self._known[folder]

    def _apply(self, listing: FolderListing, room: int) -> None:
        """Write the differences between a folder and the index, in batches."""
        stored = self._store.files_in(listing.folder)
        names = list(listing.files)
        if len(names) > room:
            self.left_out = True
            del names[room:]
        gone = [stored[name] for name in stored.keys() - set(names)]
        changed = [
            name
            for name in names
            if (known := stored.get(name)) is None
            or _differs(known, listing.files[name])
        ]
        for first in range(0, len(gone), _BATCH_FILES):
            with self._store.changes():
                for each in gone[first : first + _BATCH_FILES]:
                    self._store.remove(each.file)
        for first in range(0, len(changed), _BATCH_FILES):
            with self._store.changes():
                for name in changed[first : first + _BATCH_FILES]:
                    self._pause()
                    path = PurePath(listing.folder, name)
                    self._write(path, listing.files[name], stored.get(name))

    def _write(
        self, path: PurePath, status: os.stat_result, known: Stored | None
    ) -> None:
        """Index a file anew if its content has changed; without a text as empty."""
        limit = self._limits.file_bytes
        source = read_source_file(self._root / path, max_bytes=limit)
        digest = b""
        is_settled = True
        if source is not None:
            digest = hashlib.blake2b(source.data, digest_size=16).digest()
            status = source.status
            age_ns = time.time_ns() - status.st_mtime_ns
            is_settled = source.is_whole and age_ns > _UNSETTLED_NS
        stored = Stored(
            file=known.file if known else 0,
            mtime_ns=status.st_mtime_ns if is_settled else 0,
            size_bytes=status.st_size,
            digest=digest,
        )
        if known is not None:
            if known.digest == digest:
                self._store.note(stored)
                return
            self._store.remove(known.file)
        text = source.text if source else ""
        self._store.add(
            path,
            kind=kind_of(path) or "",
            stored=stored,
            chunks=tuple(index_chunks(text)),
            definitions=self._defined_names(path, text),
        )


def _differs(known: Stored, status: os.stat_result) -> bool:
    """Return whether a file may have another content than when it was indexed."""
    return (known.mtime_ns, known.size_bytes) != (
        status.st_mtime_ns,
        status.st_size,
    )
