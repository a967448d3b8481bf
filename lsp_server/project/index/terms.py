"""What the index knows of a text: chunks of whole lines, and the terms in them.

The same text gives the same chunks and terms, in every process. Who changes that raises
`lsp_server.project.index.store.VERSION`, so that older indexes are built anew.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from lsp_server.text import with_line_feeds

__all__ = ["IndexedChunk", "index_chunks", "terms_of"]

_FEWEST_LINES = 8
_MOST_LINES = 24
_LONGEST_LINE_CHARS = 1000
"""A longer line is data or minified: its chunk says nothing that could be shown."""

_LONGEST_TERM_CHARS = 64
_WORD = re.compile(r"[^\W\d]\w+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedChunk:
    """Some whole lines of a file.

    Attributes:
        first_line: The first line, counted from 0.
        end_line: The line behind the last one.
        terms: The terms of the lines, separated by blanks, in their order.
    """

    first_line: int
    end_line: int
    terms: str


@lru_cache(maxsize=1 << 16)
def terms_of(identifier: str) -> tuple[str, ...]:
    """Return the terms of an identifier: the whole, and its parts, in lower case.

    Parts end at underscores, at digits and where the case changes: ``parse_URLList2``
    has ``parse``, ``url`` and ``list``. Parts of one character are left out.
    """
    whole = identifier.lower()
    if len(whole) > _LONGEST_TERM_CHARS:
        return ()
    parts = (part.lower() for part in _PART.findall(identifier))
    return (whole, *(part for part in parts if len(part) > 1 and part != whole))


def index_chunks(text: str) -> Iterator[IndexedChunk]:
    """Yield the chunks of a file's text; chunks without terms are left out.

    A chunk ends before the line behind a blank one, once it is long enough, and after
    ``_MOST_LINES`` in any case.
    """
    lines = with_line_feeds(text).split("\n")
    first = 0
    for end in range(1, len(lines) + 1):
        length = end - first
        is_boundary = end == len(lines) or length >= _MOST_LINES
        if not is_boundary and length >= _FEWEST_LINES:
            is_boundary = not lines[end - 1].strip() and bool(lines[end].strip())
        if not is_boundary:
            continue
        if terms := _terms(lines[first:end]):
            yield IndexedChunk(first_line=first, end_line=end, terms=terms)
        first = end


def _terms(lines: list[str]) -> str:
    """Return the terms of a chunk's lines; none where a line is too long."""
    if max(map(len, lines)) > _LONGEST_LINE_CHARS:
        return ""
    return " ".join(
        term for word in _WORD.findall("\n".join(lines)) for term in terms_of(word)
    )
