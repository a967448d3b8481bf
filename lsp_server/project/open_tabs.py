"""Snippets of the other documents that the editor has open."""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence

from lsp_server.project.open_documents import path_in
from lsp_server.project.provider import Event, Query
from lsp_server.project.similarity import (
    Chunk,
    chunks_of,
    similarities,
    words_near,
)
from lsp_server.values import Snapshot, Snippet

__all__ = ["OpenTabs"]

_MOST_CHARS = 400_000
"""Longer documents are generated ones, or data."""

_MOST_DOCUMENTS = 24
_MOST_OF_ONE = 3
_MOST_SNIPPETS = 12
_LEAST_SCORE = 0.02


class OpenTabs:
    """Finds what in the other open documents is most similar to the cursor's code."""

    name = "open_tabs"
    importance = 0.8
    budget_chars = 6_000
    deadline_ms = 1_000

    def __init__(self) -> None:
        self._chunks: dict[str, tuple[int, tuple[Chunk, ...]]] = {}

    def take(self, event: Event) -> None:
        """Do nothing: a query holds all that counts."""

    async def gather(self, query: Query) -> Sequence[Snippet]:
        """Return the most similar chunks, the best first."""
        if not query.open_documents:
            return ()
        return await asyncio.to_thread(self._best, query)

    async def close(self) -> None:
        """Do nothing: there is no work in the background."""

    def _best(self, query: Query) -> list[Snippet]:
        """Compare every chunk with the cursor's surroundings; runs in a thread."""
        documents = [
            each
            for each in query.open_documents[:_MOST_DOCUMENTS]
            if len(each.text) <= _MOST_CHARS
        ]
        kept = {each.uri: self._chunks_of(each) for each in documents}
        self._chunks = {each.uri: (each.version, kept[each.uri]) for each in documents}
        chunks = [(uri, chunk) for uri, all_of in kept.items() for chunk in all_of]
        scores = similarities(
            words_near(query.snapshot), [chunk.words for _, chunk in chunks]
        )
        ranked = sorted(
            zip(scores, chunks, strict=True),
            key=lambda each: (-each[0], each[1][0], each[1][1].line),
        )
        found: list[Snippet] = []
        taken: Counter[str] = Counter()
        for score, (uri, chunk) in ranked:
            if score < _LEAST_SCORE or len(found) == _MOST_SNIPPETS:
                break
            taken[uri] += 1
            if taken[uri] > _MOST_OF_ONE:
                continue
            found.append(
                Snippet(
                    path=path_in(query.folder, uri),
                    text=chunk.text,
                    score=math.sqrt(score),
                    uri=uri,
                )
            )
        return found

    def _chunks_of(self, document: Snapshot) -> tuple[Chunk, ...]:
        """Return a document's chunks, those of before where its version is the same."""
        version, chunks = self._chunks.get(document.uri, (None, ()))
        return chunks if version == document.version else chunks_of(document.text)
