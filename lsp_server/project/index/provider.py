"""Snippets of the workspace's files that have the same identifiers as the cursor."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from urllib.parse import quote

from lsp_server.config import ContextConfig
from lsp_server.privacy.document_rules import place_of
from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.index.index_file import index_path
from lsp_server.project.index.indexer import Indexer
from lsp_server.project.index.search import IndexHit, search
from lsp_server.project.index.source_files import kind_of, read_source_file
from lsp_server.project.index.update import DefinedNames, IndexLimits
from lsp_server.project.open_documents import folder_of, path_in
from lsp_server.project.provider import (
    DocumentEdited,
    DocumentSaved,
    Event,
    FoldersChanged,
    Query,
)
from lsp_server.project.similarity import words_near
from lsp_server.text import with_line_feeds
from lsp_server.values import Snippet

__all__ = ["WorkspaceIndex"]

_MOST_FOLDERS = 16
_MOST_HITS = 8


class WorkspaceIndex:
    """Keeps an index of each workspace folder, and searches that of the document.

    Args:
        config: Returns the settings as they are now.
        rules: Say what is private.
        defined_names: Finds the names that a file defines.
    """

    name = "index"
    importance = 0.6
    budget_chars = 4_000
    deadline_ms = 1_000

    def __init__(
        self,
        config: Callable[[], ContextConfig],
        rules: PathRules,
        *,
        defined_names: DefinedNames,
    ) -> None:
        """Start without folders."""
        self._config = config
        self._rules = rules
        self._defined_names = defined_names
        self._folders: tuple[str, ...] = ()
        self._limits = _limits(config())
        self._indexers: dict[str, Indexer] = {}

    def take(self, event: Event) -> None:
        """Open and close indexes, and let them know what the user does."""
        match event:
            case FoldersChanged(folders=folders):
                self._folders = folders
                self._open()
            case DocumentEdited():
                for indexer in self._indexers.values():
                    indexer.typed()
            case DocumentSaved(uri=uri):
                folder = folder_of(uri, self._folders)
                if folder is not None and folder in self._indexers:
                    self._indexers[folder].saved(PurePath(path_in(folder, uri)))

    async def gather(self, query: Query) -> Sequence[Snippet]:
        """Return the chunks that are most like the cursor's surroundings."""
        if self._limits != _limits(self._config()):
            self._open()
        if query.folder not in self._indexers:
            return ()
        return await asyncio.to_thread(self._search, query, query.folder)

    async def close(self) -> None:
        """End the indexing, and wait for the threads."""
        indexers = [*self._indexers.values()]
        self._indexers.clear()
        for indexer in indexers:
            indexer.close()
        for indexer in indexers:
            await asyncio.to_thread(indexer.join)

    def _open(self) -> None:
        """Have an indexer for each folder of this machine, with the limits of now."""
        limits = _limits(self._config())
        wanted = dict.fromkeys(self._folders[:_MOST_FOLDERS])
        for folder, indexer in [*self._indexers.items()]:
            if folder not in wanted or limits != self._limits:
                indexer.close()
                del self._indexers[folder]
        self._limits = limits
        for folder in wanted:
            place = place_of(folder)
            if place.is_here and folder not in self._indexers:
                indexer = self._indexers[folder] = Indexer(
                    Path(place.path),
                    rules=self._rules,
                    limits=limits,
                    defined_names=self._defined_names,
                )
                indexer.start()

    def _search(self, query: Query, folder: str) -> list[Snippet]:
        """Search the index of a folder; runs in a thread."""
        snapshot = query.snapshot
        own = PurePath(path_in(folder, snapshot.uri))
        kind = kind_of(own, snapshot.language_id)
        if kind is None:
            return []
        try:
            root = Path(place_of(folder).path).resolve()
            index = index_path(root)
            # The same file by another name has the same lines.
            real = (root / own).resolve()
        except (OSError, RuntimeError):
            return []
        without = {
            own,
            *(PurePath(path_in(folder, each.uri)) for each in query.open_documents),
        }
        if real.is_relative_to(root):
            without.add(real.relative_to(root))
        hits = search(
            index,
            words_near(snapshot),
            kind=kind,
            without=without,
            limit=_MOST_HITS,
        )
        found = []
        for hit in hits:
            text = self._text_of(root, hit)
            if text:
                path = hit.path.as_posix()
                found.append(
                    Snippet(
                        path=path,
                        text=text,
                        score=hit.strength,
                        uri=f"{folder}/{quote(path)}",
                    )
                )
        return found

    def _text_of(self, root: Path, hit: IndexHit) -> str:
        """Return a chunk's lines; none where the file has changed or is private now."""
        path = root / hit.path
        if self._rules.exclusion(path) is not None:
            return ""
        source = read_source_file(path, max_bytes=self._limits.file_bytes)
        if source is None or not hit.is_of(source.status):
            return ""
        lines = with_line_feeds(source.text).split("\n")[hit.first_line : hit.end_line]
        return "\n".join(lines).strip("\n")


def _limits(config: ContextConfig) -> IndexLimits:
    """Return how much of a workspace the settings let be indexed."""
    return IndexLimits(
        file_bytes=config.index_max_file_bytes,
        files=config.index_max_files,
        index_bytes=config.index_max_bytes,
    )
