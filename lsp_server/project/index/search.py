"""Finds the chunks of a workspace's files that have the terms around a cursor."""

import itertools
import logging
import math
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePath

from lsp_server.project.index.store import VERSION, stored_path
from lsp_server.project.index.terms import terms_of

__all__ = ["IndexHit", "files_defining", "search"]

_log = logging.getLogger(__name__)

_BUSY_S = 0.2
_MOST_LOOKED_UP = 160
_MOST_TERMS = 24
_MOST_SHARE = 0.2
"""A term that so many of the chunks have says nothing about one."""

_LEAST_STRENGTH = 0.06
_RARE_TERMS = 2
"""Full strength takes as much as so many terms that no other chunk has."""

_FEWEST_CHUNKS = 50
"""In fewer chunks no term is rare."""

_BM25_MOST = 2.2
"""What FTS5's BM25 gives a term at most, in units of its weight: k1 + 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexHit:
    """A chunk that has terms in common with the cursor's surroundings.

    Attributes:
        path: The file, relative to the workspace.
        first_line: The chunk's first line, counted from 0.
        end_line: The line behind its last one.
        size_bytes: The file's size when it was indexed.
        mtime_ns: When the file had been changed last, or 0 where that is not sure.
        strength: Its BM25 score as a share of what a chunk with all terms could have,
            and no less than some rare ones.
    """

    path: PurePath
    first_line: int
    end_line: int
    size_bytes: int
    mtime_ns: int
    strength: float

    def is_of(self, status: os.stat_result) -> bool:
        """Return whether a file is as it was when the chunk was indexed."""
        same_time = self.mtime_ns in {0, status.st_mtime_ns}
        return same_time and self.size_bytes == status.st_size


def search(
    index: Path,
    words: Iterable[str],
    *,
    kind: str,
    without: Iterable[PurePath] = (),
    limit: int,
) -> list[IndexHit]:
    """Return the best chunks for the words around a cursor, the best first.

    It reads the disk, so call it in a thread. What another process writes at the same
    time is not waited for.

    Args:
        index: The index's file.
        words: The identifiers around the cursor, the nearest first.
        kind: Only files of this kind of language are searched.
        without: Files that are left out.
        limit: The most chunks.

    Returns:
        The chunks; none where there is no index that can be read.
    """
    try:
        with closing(_connect(index)) as database:
            (total,) = database.execute("SELECT count(*) FROM chunks").fetchone()
            weights = _weights(database, words, total)
            if not weights:
                return []
            most = sum(weights.values())
            if total >= _FEWEST_CHUNKS:
                # One common word is little, also where it is the only one.
                most = max(most, _RARE_TERMS * math.log(total))
            hits = _hits(
                database,
                weights,
                most=most * _BM25_MOST,
                kind=kind,
                without=[*without],
                limit=limit,
            )
            return [hit for hit in hits if hit.strength >= _LEAST_STRENGTH]
    except sqlite3.Error as error:
        _log_failure(error)
        return []


def files_defining(index: Path, name: str, *, kind: str, limit: int) -> list[PurePath]:
    """Return the files that define a name, relative to the workspace.

    It reads the disk, so call it in a thread.

    Args:
        index: The index's file.
        name: The name.
        kind: Only files of this kind of language are searched.
        limit: The most files.

    Returns:
        The files in the order of their paths; none where there is no index that can be
        read.
    """
    try:
        with closing(_connect(index)) as database:
            rows = database.execute(
                "SELECT folder, files.name FROM definitions"
                " JOIN files ON files.id = definitions.file"
                " WHERE definitions.name = ? AND kind = ?"
                " ORDER BY folder, files.name LIMIT ?",
                (name, kind, limit),
            )
            return [PurePath(folder, file) for folder, file in rows]
    except sqlite3.Error as error:
        _log_failure(error)
        return []


def _log_failure(error: sqlite3.Error) -> None:
    """Log why an index cannot be read; what concerns the user the indexer reports."""
    _log.debug("index.unreadable", extra={"error": str(error)})


def _connect(index: Path) -> sqlite3.Connection:
    """Open an index of this version for reading.

    Raises:
        sqlite3.Error: There is none.
    """
    database = sqlite3.connect(
        f"{index.as_uri()}?mode=ro", uri=True, timeout=_BUSY_S, isolation_level=None
    )
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        database.close()
        raise sqlite3.DatabaseError
    return database


def _weights(
    database: sqlite3.Connection, words: Iterable[str], total: int
) -> dict[str, float]:
    """Return the terms to search for, the rarest first, and how much each counts."""
    terms: dict[str, None] = {}
    for word in words:
        terms.update(dict.fromkeys(terms_of(word)))
        if len(terms) >= _MOST_LOOKED_UP:
            break
    counts: dict[str, int] = {}
    for term in terms:
        row = database.execute("SELECT doc FROM counts WHERE term = ?", (term,))
        if (found := row.fetchone()) is not None:
            counts[term] = found[0]
    most = max(_FEWEST_CHUNKS, total) * _MOST_SHARE
    rarest = sorted((count, term) for term, count in counts.items() if count <= most)
    return {
        # As FTS5 computes it, which takes no weight below this one. While the index
        # grows, a term may stand in more chunks than there were a moment ago.
        term: max(1e-6, math.log((max(0, total - count) + 0.5) / (count + 0.5)))
        for count, term in rarest[:_MOST_TERMS]
    }


def _hits(
    database: sqlite3.Connection,
    terms: Iterable[str],
    *,
    most: float,
    kind: str,
    without: Sequence[PurePath],
    limit: int,
) -> list[IndexHit]:
    """Return the chunks with any of the terms, the strongest first."""
    # A term has letters, digits and underscores alone, so no quotes.
    wanted = " OR ".join(f'"{term}"' for term in terms)
    rows = database.execute(
        "SELECT folder, name, first_line, end_line, size_bytes, mtime_ns,"  # noqa: S608 - every value is bound
        " bm25(terms) AS score FROM terms"
        " JOIN chunks ON chunks.id = terms.rowid JOIN files ON files.id = chunks.file"
        " WHERE terms MATCH ? AND kind = ?"
        + " AND NOT (folder = ? AND name = ?)" * len(without)
        + " ORDER BY score, folder, name, first_line LIMIT ?",
        (wanted, kind, *itertools.chain(*map(stored_path, without)), limit),
    )
    return [
        IndexHit(
            path=PurePath(folder, name),
            first_line=first,
            end_line=end,
            size_bytes=size_bytes,
            mtime_ns=mtime_ns,
            strength=-score / most,
        )
        for folder, name, first, end, size_bytes, mtime_ns, score in rows
    ]
