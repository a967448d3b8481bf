"""The file that a workspace's index is in: which files, and which terms in which lines.

It is an SQLite database with FTS5. It holds no source text but terms, and can be
deleted at any time: what is missing is indexed again.
"""

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import TracebackType
from typing import Self

from lsp_server.project.index.terms import IndexedChunk

__all__ = [
    "VERSION",
    "IndexStore",
    "StaleIndexError",
    "Stored",
    "damage",
    "failure",
    "stored_path",
]

VERSION = 1
"""Of the tables, and of what the terms and chunks of a text are."""

_BUSY_S = 5.0
_PAGE_BYTES = 4096

_DAMAGE = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOTADB}
)

_TABLES = """
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    folder TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    mtime_ns INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    digest BLOB NOT NULL,
    words BLOB NOT NULL,
    UNIQUE (folder, name)
);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    file INTEGER NOT NULL,
    first_line INTEGER NOT NULL,
    end_line INTEGER NOT NULL
);
CREATE INDEX chunks_of_file ON chunks (file);
CREATE TABLE definitions (
    name TEXT NOT NULL,
    file INTEGER NOT NULL,
    PRIMARY KEY (name, file)
) WITHOUT ROWID;
CREATE INDEX definitions_of_file ON definitions (file);
CREATE VIRTUAL TABLE terms USING fts5 (
    words, content='', tokenize="unicode61 remove_diacritics 0 tokenchars '_'"
);
CREATE VIRTUAL TABLE counts USING fts5vocab (terms, row);
"""


class StaleIndexError(Exception):
    """The file holds an index of another version, or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file as the index has it.

    Attributes:
        file: Its number in the index.
        mtime_ns: When it was changed last; 0 if it may have changed since it was read.
        size_bytes: Its size.
        digest: A hash of its bytes.
    """

    file: int
    mtime_ns: int
    size_bytes: int
    digest: bytes


def stored_path(path: PurePath) -> tuple[str, str]:
    """Return a relative path's folder, empty for the workspace itself, and its name."""
    return str(path.parent) if path.parent.name else "", path.name


def damage(error: Exception) -> str | None:
    """Return why an index has to be built anew; None where that would not help."""
    if isinstance(error, StaleIndexError):
        return "it was made by another version"
    code = getattr(error, "sqlite_errorcode", None)
    is_damaged = isinstance(code, int) and code & 0xFF in _DAMAGE
    return "it is damaged" if is_damaged or isinstance(error, zlib.error) else None


def failure(error: OSError | sqlite3.Error) -> tuple[str, str]:
    """Return what ended the writing of an index, and what can be done about it."""
    if isinstance(error, OSError):
        return f"it cannot be written ({error.strerror})", "check the cache's folder"
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF == sqlite3.SQLITE_FULL:
        what = "there is no more room for it, on the disk or below its limit"
        return what, "free some space; what is indexed already stays in use"
    return f"it cannot be used ({error})", "remove it if this comes again"


class IndexStore:
    """Writes an index. One process at a time, and one thread of it, has one open.

    Args:
        path: The file, which is made where it is missing.
        max_bytes: The file does not grow beyond this size.

    Raises:
        StaleIndexError: The file is of another version.
        sqlite3.Error: It is damaged, or cannot be written.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        """Open the file, and make the tables in an empty one."""
        self._database = sqlite3.connect(
            path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            self._open(max_bytes)
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def _open(self, max_bytes: int) -> None:
        """Check the version, or make the tables."""
        run = self._database.execute
        (version,) = run("PRAGMA user_version").fetchone()
        (tables,) = run("SELECT count(*) FROM sqlite_master").fetchone()
        if version != VERSION and (version or tables):
            raise StaleIndexError
        # Readers of other processes wait for no writer, and a crash loses a little.
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run(f"PRAGMA max_page_count = {max(1, max_bytes // _PAGE_BYTES)}")
        if not tables:
            with self.changes():
                for statement in _TABLES.split(";\n"):
                    run(statement)
                run(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def changes(self) -> Iterator[None]:
        """Write what happens in the block together, or none of it."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            # A full disk has ended the transaction already.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def files_in(self, folder: str) -> dict[str, Stored]:
        """Return the indexed files of one folder by name, without those below it."""
        rows = self._database.execute(
            "SELECT name, id, mtime_ns, size_bytes, digest FROM files WHERE folder = ?",
            (folder,),
        )
        return {
            name: Stored(
                file=file, mtime_ns=mtime_ns, size_bytes=size_bytes, digest=digest
            )
            for name, file, mtime_ns, size_bytes, digest in rows
        }

    def folders(self) -> list[str]:
        """Return the folders that have indexed files."""
        rows = self._database.execute("SELECT DISTINCT folder FROM files")
        return [folder for (folder,) in rows]

    def count(self) -> int:
        """Return how many files are indexed."""
        (count,) = self._database.execute("SELECT count(*) FROM files").fetchone()
        return int(count)

    def add(
        self,
        path: PurePath,
        *,
        kind: str,
        stored: Stored,
        chunks: Sequence[IndexedChunk],
        definitions: Iterable[str],
    ) -> None:
        """Add a file that is not indexed; its number is ignored.

        Args:
            path: Its path relative to the workspace.
            kind: The kind of language; only files of one kind are found together.
            stored: What tells whether it has changed.
            chunks: Its chunks.
            definitions: The names that it defines.
        """
        run = self._database.execute
        terms = "\n".join(chunk.terms for chunk in chunks)
        file = run(
            "INSERT INTO files"
            " (folder, name, kind, mtime_ns, size_bytes, digest, words)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *stored_path(path),
                kind,
                stored.mtime_ns,
                stored.size_bytes,
                stored.digest,
                zlib.compress(terms.encode(), 1),
            ),
        ).lastrowid
        for chunk in chunks:
            row = run(
                "INSERT INTO chunks (file, first_line, end_line) VALUES (?, ?, ?)",
                (file, chunk.first_line, chunk.end_line),
            ).lastrowid
            run("INSERT INTO terms (rowid, words) VALUES (?, ?)", (row, chunk.terms))
        self._database.executemany(
            "INSERT OR IGNORE INTO definitions (name, file) VALUES (?, ?)",
            ((each, file) for each in definitions),
        )

    def note(self, stored: Stored) -> None:
        """Note that a file has the same content as before, but another time."""
        self._database.execute(
            "UPDATE files SET mtime_ns = ?, size_bytes = ? WHERE id = ?",
            (stored.mtime_ns, stored.size_bytes, stored.file),
        )

    def remove(self, file: int) -> None:
        """Remove a file with all its chunks."""
        run = self._database.execute
        (compressed,) = run("SELECT words FROM files WHERE id = ?", (file,)).fetchone()
        rows = run("SELECT id FROM chunks WHERE file = ? ORDER BY id", (file,))
        # FTS5 keeps no text here, so it has to be given what it is to forget.
        texts = zlib.decompress(compressed).decode().split("\n")
        for (row,), terms in zip(rows.fetchall(), texts, strict=False):
            run(
                "INSERT INTO terms (terms, rowid, words) VALUES ('delete', ?, ?)",
                (row, terms),
            )
        run("DELETE FROM chunks WHERE file = ?", (file,))
        run("DELETE FROM definitions WHERE file = ?", (file,))
        run("DELETE FROM files WHERE id = ?", (file,))

    def remove_folder(self, folder: str) -> None:
        """Remove every file of one folder, without those below it."""
        for stored in self.files_in(folder).values():
            self.remove(stored.file)
