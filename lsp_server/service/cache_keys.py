"""Where the completion cache keeps an answer, and where it looks for one.

A key is the hash of the lines above and below a cursor, with the text left of it in its
line. To hash what is around each place that typing may have begun at would take a
millisecond a request. So a place is looked at only if some answer is kept there by the
line above and the text left of it, and hashed only if such an answer would do.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot

__all__ = ["Key", "key_of", "places_of"]

Key = tuple[bytes, str]
"""The hash of a line's surroundings, and the text in that line left of the cursor."""

_LINES_ABOVE = 64
_LINES_BELOW = 24
_CHARS_ABOVE = 8_000
_CHARS_BELOW = 4_000
_CHARS_BEFORE = 1_000
"""How much of the cursor's own line counts, to its left."""

_MOST_TYPED_CHARS = 256
"""How far back from the cursor an answer is looked for."""

_REACH_CHARS = _CHARS_ABOVE + _CHARS_BEFORE + _MOST_TYPED_CHARS

T = TypeVar("T")


def key_of(snapshot: Snapshot) -> tuple[Key, str]:
    """Return the key of the snapshot's cursor, and the line above it."""
    before = _before(snapshot)
    start, column = next(_lines_back(before))
    text = before[start : start + column][-_CHARS_BEFORE:]
    key = _surroundings(snapshot, before[:start]), text
    return key, _line_above(before, start)


def places_of(
    snapshot: Snapshot, known: Mapping[str, Mapping[str, T]]
) -> Iterator[tuple[T, str, Callable[[], bytes]]]:
    """Yield what may be kept of the cursor and of places left of it, the nearest first.

    Each comes with the text between its place and the cursor, and with what returns the
    hash of the place's surroundings.

    Args:
        snapshot: The document and the cursor.
        known: What is kept, by the line above as `key_of` returns it, and then by the
            text of its key.
    """
    before = _before(snapshot)
    least = max(0, len(before) - _MOST_TYPED_CHARS)
    for start, column in _lines_back(before):
        texts = known.get(_line_above(before, start))
        if not texts:
            continue
        line = _Line(snapshot, before[:start])
        columns = set(map(len, texts))
        if _CHARS_BEFORE in columns:  # the end of what stands left of a later column
            columns.update(range(_CHARS_BEFORE, column + 1))
        for each in sorted(columns, reverse=True):
            at = start + each
            if each > column or at < least:
                continue
            kept = texts.get(before[max(start, at - _CHARS_BEFORE) : at])
            if kept is not None:
                yield kept, before[at:], line.surroundings


class _Line:
    """A line that typing may have begun in; what is around it is hashed once at most.

    Args:
        snapshot: The document and the cursor.
        above: What stands above the line.
    """

    def __init__(self, snapshot: Snapshot, above: str) -> None:
        self._snapshot = snapshot
        self._above = above
        self._hash: bytes | None = None

    def surroundings(self) -> bytes:
        """Return the hash of the line's surroundings."""
        if self._hash is None:
            self._hash = _surroundings(self._snapshot, self._above)
        return self._hash


def _before(snapshot: Snapshot) -> str:
    """Return the text left of the cursor that counts, with line feeds."""
    offset = snapshot.offset
    return with_line_feeds(snapshot.text[max(0, offset - _REACH_CHARS) : offset])


def _lines_back(before: str) -> Iterator[tuple[int, int]]:
    """Yield start and length of the lines that typing may have begun in, upwards."""
    end = len(before)
    while end >= max(0, len(before) - _MOST_TYPED_CHARS):
        start = before.rfind("\n", 0, end) + 1
        yield start, end - start
        end = start - 1


def _line_above(before: str, start: int) -> str:
    """Return the line above a line, without the blanks at its end."""
    end = max(0, start - 1)
    return before[before.rfind("\n", 0, end) + 1 : end].rstrip()


def _surroundings(snapshot: Snapshot, above: str) -> bytes:
    """Return a hash of the lines above a line and of what stands behind the cursor."""
    found = hashlib.blake2b(_below(snapshot), digest_size=16)
    for part in (snapshot.uri, snapshot.language_id):
        found.update(b"\0" + part.encode("utf-8", errors="replace"))
    found.update(_above(above))
    return found.digest()


def _above(before: str) -> bytes:
    """Return the lines above that count, without the blanks at their ends."""
    lines = before[-_CHARS_ABOVE:].split("\n")[-_LINES_ABOVE - 1 : -1]
    return b"\0" + _encoded("\n".join(line.rstrip() for line in lines)) + b"\0"


def _below(snapshot: Snapshot) -> bytes:
    """Return the text right of the cursor that counts, and the lines below it."""
    offset = snapshot.offset
    after = with_line_feeds(snapshot.text[offset : offset + _CHARS_BELOW])
    line, *lines = after.split("\n")[: _LINES_BELOW + 1]
    return _encoded("\n".join([line, *(each.rstrip() for each in lines)]))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")
