"""A workspace folder with an index, brought up to date when a test says so."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.definitions.tags import defined_names
from lsp_server.project.index.search import IndexHit, search
from lsp_server.project.index.source_files import SourceFiles
from lsp_server.project.index.store import IndexStore
from lsp_server.project.index.update import IndexLimits, IndexUpdate

LIMITS = IndexLimits(file_bytes=100_000, files=1_000, index_bytes=1 << 26)


@dataclass
class IndexedWorkspace:
    """Files to write, and an index of them."""

    root: Path
    index: Path
    limits: IndexLimits = LIMITS
    indexed: list[PurePath] = field(default_factory=list)
    paused: int = 0

    def write(self, **texts: str) -> None:
        """Write Python files; two underscores in a name are a folder's end."""
        for name, text in texts.items():
            path = self.root / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def store(self) -> AbstractContextManager[IndexStore]:
        """Open the index for writing."""
        return IndexStore(self.index, max_bytes=self.limits.index_bytes)

    def update_of(self, store: IndexStore) -> IndexUpdate:
        """Return what brings an open index up to date."""
        return IndexUpdate(
            self.root,
            store,
            SourceFiles(self.root, PathRules(), max_bytes=self.limits.file_bytes),
            limits=self.limits,
            defined_names=self._defined_names,
            pause=self._pause,
        )

    def scan(self) -> IndexUpdate:
        """Bring the index up to date; `indexed` is what was indexed anew for that."""
        self.indexed.clear()
        with self.store() as store:
            update = self.update_of(store)
            update.scan()
        return update

    def hits(self, *words: str, without: Iterable[PurePath] = ()) -> list[IndexHit]:
        """Search the index."""
        return search(self.index, words, kind="python", without=without, limit=9)

    def found(self, *words: str) -> list[str]:
        """Return the paths of the hits."""
        return [str(hit.path) for hit in self.hits(*words)]

    def _defined_names(self, path: PurePath, text: str) -> Iterable[str]:
        self.indexed.append(path)
        return defined_names(path, text)

    def _pause(self) -> None:
        self.paused += 1
