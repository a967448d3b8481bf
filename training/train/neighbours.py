"""Chooses pieces of a package's other files to stand in front of a window.

The server puts pieces of other open files there; which ones is its own affair, so here
any file nearby will do.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

from training.train.documents import Document, DocumentStore
from training.train.lots import log_uniform

__all__ = ["draw_pieces", "neighbours_of"]

_REACH = 3
"""Files of a package lie beside each other in the corpus, in the order of paths."""

_MOST_PIECES = 2
_SHORTEST_CHARS, _LONGEST_CHARS = 120, 1200


def neighbours_of(store: DocumentStore, number: int) -> tuple[Document, ...]:
    """Return the documents beside one that are of its package."""
    package = store[number].package
    places = range(max(number - _REACH, 0), min(number + _REACH + 1, len(store)))
    found = (store[at] for at in places if at != number)
    return tuple(each for each in found if package and each.package == package)


def draw_pieces(
    documents: Sequence[Document], rng: random.Random
) -> tuple[Document, ...]:
    """Draw one or two documents, and of each some lines in a row."""
    count = min(rng.randint(1, _MOST_PIECES), len(documents))
    return tuple(_piece(each, rng) for each in rng.sample(list(documents), count))


def _piece(document: Document, rng: random.Random) -> Document:
    text = document.text
    length = int(log_uniform(_SHORTEST_CHARS, _LONGEST_CHARS, rng))
    at = rng.randrange(max(len(text) - length, 0) + 1)
    first = text.rfind("\n", 0, at) + 1
    last = text.find("\n", min(first + length, len(text)))
    return replace(document, text=text[first : len(text) if last < 0 else last])
