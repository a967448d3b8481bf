"""Snippets of how the names near the cursor are defined in other files."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from urllib.parse import quote

from lsp_server.config import ContextConfig
from lsp_server.file_languages import language_id_of
from lsp_server.privacy.document_rules import place_of
from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.definitions.lookup import FileOutline, Lookup, Outlines
from lsp_server.project.definitions.tags import Definition
from lsp_server.project.index.index_file import index_path
from lsp_server.project.index.search import files_defining
from lsp_server.project.index.source_files import kind_of
from lsp_server.project.index.terms import terms_of
from lsp_server.project.open_documents import path_in
from lsp_server.project.provider import Event, Query
from lsp_server.project.similarity import words_near
from lsp_server.values import Snippet

__all__ = ["Definitions"]

_MOST_WORDS = 80
_MOST_DEFINITIONS = 12
_MOST_DOCUMENT_CHARS = 400_000
_LOOKED_UP = 0.6
"""What a definition counts that only its name speaks for, against an imported one."""

_MOST_SAME = 3
"""A name that more files define says nothing about which one is meant."""

_READING_S = 0.5
_LOOKING_S = 0.8
"""How long after a query files are read, and names are looked up. So an answer comes in
time though the machine is busy, and the rest is ready for the next one.
"""


class Definitions:
    """Finds definitions: where the document's imports lead, then by the index.

    Args:
        config: Returns the settings as they are now.
        rules: Say what is private.
    """

    name = "definitions"
    importance = 1.0
    budget_chars = 4_000
    deadline_ms = 1_000

    def __init__(self, config: Callable[[], ContextConfig], rules: PathRules) -> None:
        self._config = config
        self._rules = rules
        self._outlines: Outlines | None = None

    def take(self, event: Event) -> None:
        """Do nothing: a query holds all that counts."""

    async def gather(self, query: Query) -> Sequence[Snippet]:
        """Return definitions, those of the names nearest to the cursor first."""
        if query.folder is None or not place_of(query.folder).is_here:
            return ()
        return await asyncio.to_thread(self._snippets, query, query.folder)

    async def close(self) -> None:
        """Do nothing: there is no work in the background."""

    def _snippets(self, query: Query, folder: str) -> list[Snippet]:
        """Look the names up, one snippet for each file; runs in a thread."""
        found: dict[PurePath, list[Definition]] = {}
        scores: dict[PurePath, float] = {}
        for path, definition, score in self._find(query, folder):
            of_file = found.setdefault(path, [])
            scores.setdefault(path, score)
            if all(definition.text not in each.text for each in of_file):
                of_file.append(definition)
        return [
            Snippet(
                path=path.as_posix(),
                text="\n".join(
                    each.text for each in sorted(of_file, key=lambda one: one.line)
                ),
                score=scores[path],
                uri=f"{folder}/{quote(path.as_posix())}",
            )
            for path, of_file in found.items()
        ]

    def _find(
        self, query: Query, folder: str
    ) -> list[tuple[PurePath, Definition, float]]:
        """Return definitions of the names near the cursor, with their files."""
        snapshot = query.snapshot
        own = PurePath(path_in(folder, snapshot.uri))
        named = language_id_of(own)
        language_id = snapshot.language_id if named == "plaintext" else named
        kind = kind_of(own, language_id)
        try:
            root = Path(place_of(folder).path).resolve()
            index = index_path(root) if self._config().index else None
        except (OSError, RuntimeError):
            return []
        if kind is None or len(snapshot.text) > _MOST_DOCUMENT_CHARS:
            return []
        if self._outlines is None or self._outlines.root != root:
            self._outlines = Outlines(root, self._rules)
        outlines = self._outlines
        opened = {
            PurePath(path_in(folder, each.uri)): each.text
            for each in query.open_documents
        }
        # What is not read by then waits for the next query, which has the rest ready.
        began_s = time.monotonic()
        lookup = Lookup(
            outlines,
            opened,
            max_bytes=self._config().index_max_file_bytes,
            until_s=began_s + _READING_S,
        )
        here = FileOutline.of(own, snapshot.text, language_id, outlines.workspace)
        found: list[tuple[PurePath, Definition, float]] = []
        words = words_near(snapshot)[:_MOST_WORDS]
        for rank, word in enumerate(words):
            if time.monotonic() > began_s + _LOOKING_S:
                break
            if word in here.definitions:
                continue
            score = 1 - rank / (2 * _MOST_WORDS)
            of_word = [
                (path, each, score)
                for path, each in lookup.imported(word, here.imports)
            ]
            if not of_word and index is not None and _is_distinct(word):
                files = files_defining(index, word, kind=kind, limit=_MOST_SAME + 1)
                for path in files if len(files) <= _MOST_SAME else ():
                    outline = lookup.outline(path)
                    known = outline.named(word) if outline and path != own else ()
                    weight = score * _LOOKED_UP / len(files)
                    of_word += [(path, each, weight) for each in known]
            found += of_word
            if len(found) >= _MOST_DEFINITIONS:
                break
        return sorted(found, key=lambda each: -each[2])[:_MOST_DEFINITIONS]


def _is_distinct(word: str) -> bool:
    """Return whether a name says by itself what it names: not ``address`` or ``file``.

    It has several parts, or it is written like the name of a type.
    """
    _, *parts = terms_of(word) or ("",)
    return len(parts) > 1 or (word[:1].isupper() and not word.isupper())
