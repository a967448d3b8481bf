"""Which parts of other texts are similar to the surroundings of a cursor.

A text is compared by its identifiers, in chunks of whole lines. Where a chunk begins
depends on the text alone and not on the cursor, so that the same chunk is found from
key to key.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot

__all__ = ["Chunk", "chunks_of", "similarities", "words_near", "words_of"]

_WORD = re.compile(r"[^\W\d]\w{2,}")
_LINES_ABOVE, _LINES_BELOW = 40, 15
_REACH_CHARS = 4_000
"""How far the surroundings reach to either side, where lines are long."""

_LEAST_LINES, _MOST_LINES = 6, 20
"""Of a chunk; the last one may have fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some whole lines of a text, without blank lines at either end.

    Attributes:
        line: The first line, counted from 0.
        text: The lines, with line feeds between them.
        words: The identifiers in it.
    """

    line: int
    text: str
    words: frozenset[str]


def words_of(text: str) -> frozenset[str]:
    """Return the identifiers and other words in a text, of three letters or more."""
    return frozenset(_WORD.findall(text))


def words_near(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the words around the cursor, each once, the nearest to it first.

    The word that the cursor is in, or at the end of, is left out: it is being typed.
    """
    offset = snapshot.offset
    before = snapshot.text[max(0, offset - _REACH_CHARS) : offset]
    after = snapshot.text[offset : offset + _REACH_CHARS]
    above = with_line_feeds(before).split("\n")[-_LINES_ABOVE - 1 :]
    below = with_line_feeds(after).split("\n")[: _LINES_BELOW + 1]
    above[-1] = re.sub(r"\w+$", "", above[-1])
    below[0] = re.sub(r"^\w+", "", below[0])
    found: dict[str, None] = {}
    for line in (*reversed(above), *below):
        found.update(dict.fromkeys(_WORD.findall(line)))
    return tuple(found)


def chunks_of(text: str) -> tuple[Chunk, ...]:
    """Return the chunks of a text that hold a word.

    Where it can, a chunk begins at a line without indentation after a blank one.
    """
    lines = with_line_feeds(text).split("\n")
    made: list[Chunk] = []
    start = 0
    for end in range(1, len(lines) + 1):
        if end < len(lines) and not _ends_chunk(lines, start, end):
            continue
        first, after = start, end
        while first < after and not lines[first].strip():
            first += 1
        while after > first and not lines[after - 1].strip():
            after -= 1
        chunk = "\n".join(lines[first:after])
        if words := words_of(chunk):
            made.append(Chunk(line=first, text=chunk, words=words))
        start = end
    return tuple(made)


def _ends_chunk(lines: Sequence[str], start: int, end: int) -> bool:
    """Return whether a chunk that began at a line ends before another one."""
    if end - start >= _MOST_LINES:
        return True
    begins_block = bool(lines[end].strip()) and not lines[end][0].isspace()
    return end - start >= _LEAST_LINES and begins_block and not lines[end - 1].strip()


def similarities(
    wanted: Iterable[str], candidates: Sequence[frozenset[str]]
) -> list[float]:
    """Return how similar each set of words is to the wanted ones, from 0 to 1.

    It is Jaccard's index in which a word weighs more the fewer candidates have it:
    keywords, which nearly all have, hardly count.
    """
    total = len(candidates)
    counts = Counter(word for words in candidates for word in words)
    wanted = frozenset(wanted)
    weights = {word: math.log1p(total / count) for word, count in counts.items()}
    unseen = math.log1p(total)
    whole = sum(weights.get(word, unseen) for word in wanted)
    scores = []
    for words in candidates:
        shared = sum(weights[word] for word in wanted & words)
        union = whole + sum(weights[word] for word in words) - shared
        scores.append(shared / union if union else 0.0)
    return scores
