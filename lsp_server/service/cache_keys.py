"""Where the completion cache keeps an answer, and where it looks for one.

A key is the hash of the lines above and below a cursor, with the text left of it in its
line. A place is looked at only if some answer is kept below the same line: hashing what
is around each place that typing may have begun at would take a millisecond a request.
"""

import hashlib
from collections.abc import Container, Iterator

from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot

__all__ = ["Key", "key_of", "keys_of"]

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


def key_of(snapshot: Snapshot) -> tuple[Key, str]:
    """Return the key of the snapshot's cursor, and the line above it."""
    before = _before(snapshot)
    start, column = next(_lines_back(before))
    text = before[start : start + column][-_CHARS_BEFORE:]
    key = _surroundings(snapshot, before[:start]), text
    return key, _last_line(before[:start])


def keys_of(
    snapshot: Snapshot, lines_above: Container[str]
) -> Iterator[tuple[Key, str]]:
    """Yield the keys of the cursor and of the places left of it, the nearest first.

    Each comes with the text between its place and the cursor.

    Args:
        snapshot: The document and the cursor.
        lines_above: The lines below which there are answers, as `key_of` returns them.
    """
    before = _before(snapshot)
    end = len(before)
    for start, column in _lines_back(before):
        if _last_line(before[:start]) in lines_above:
            around = _surroundings(snapshot, before[:start])
            least = max(0, end - start - _MOST_TYPED_CHARS)
            for at in range(start + column, start + least - 1, -1):
                text = before[max(start, at - _CHARS_BEFORE) : at]
                yield (around, text), before[at:]


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


def _last_line(above: str) -> str:
    """Return the last of some lines, by which a place is looked up at little cost."""
    return above[above.rfind("\n", 0, -1) + 1 :].rstrip()


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
