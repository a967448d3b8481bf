"""Finds where names are defined: where imports lead, then by the index."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeAlias

from lsp_server.file_languages import language_id_of
from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.definitions.imports import Import, Workspace, imports_in
from lsp_server.project.definitions.tags import Definition, definitions_in
from lsp_server.project.index.source_files import read_source_file
from lsp_server.text import with_line_feeds

__all__ = ["FileOutline", "Lookup", "Outlines"]

_Found: TypeAlias = list[tuple[PurePath, Definition]]

_MOST_HOPS = 2
_MOST_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutline:
    """What a file defines and imports.

    Attributes:
        definitions: What it defines, by name.
        imports: What it imports.
    """

    definitions: Mapping[str, tuple[Definition, ...]]
    imports: tuple[Import, ...]

    @classmethod
    def of(
        cls, path: PurePath, text: str, language_id: str, workspace: Workspace
    ) -> "FileOutline":
        """Read a text.

        Args:
            path: The file, relative to the workspace.
            text: Its text.
            language_id: Its language.
            workspace: Where the files are that it imports.
        """
        text = with_line_feeds(text)
        definitions: dict[str, tuple[Definition, ...]] = {}
        for each in definitions_in(text, language_id):
            definitions[each.name] = (*definitions.get(each.name, ()), each)
        return cls(
            definitions=definitions,
            imports=tuple(imports_in(path, text, language_id, workspace)),
        )

    def named(self, name: str) -> tuple[Definition, ...]:
        """Return the definitions of a name; a constructor is shown with its class."""
        found = self.definitions.get(name, ())
        return tuple(each for each in found if each.owner != name)


class Outlines:
    """Keeps the outlines of one workspace folder's files, from query to query.

    Args:
        root: The workspace folder, without symbolic links.
        rules: Say what is private.
    """

    def __init__(self, root: Path, rules: PathRules) -> None:
        self.root = root
        self.workspace = Workspace(root)
        self.rules = rules
        self._kept: dict[PurePath, tuple[object, FileOutline]] = {}

    def kept(self, path: PurePath, stamp: object) -> FileOutline | None:
        """Return a file's outline; None where none of this state of it is kept."""
        known, outline = self._kept.pop(path, (None, None))
        if outline is None or known != stamp:
            return None
        self.keep(path, stamp, outline)
        return outline

    def keep(self, path: PurePath, stamp: object, outline: FileOutline) -> None:
        """Keep an outline, and let go of the one that was not used for longest."""
        self._kept[path] = (stamp, outline)
        while len(self._kept) > _MOST_KEPT:
            # Another thread may have done it: a query's time can be up while it runs.
            self._kept.pop(next(iter(self._kept)), None)


class Lookup:
    """Finds names for one query, for which each file is as it is met first.

    It reads the file system: call it in a thread.

    Args:
        outlines: The folder's.
        opened: The text of open documents, which counts in place of their files.
        max_bytes: Larger files are not read.
        until_s: From then on, by the monotonic clock, only files are used that were
            read.
    """

    def __init__(
        self,
        outlines: Outlines,
        opened: Mapping[PurePath, str],
        *,
        max_bytes: int,
        until_s: float,
    ) -> None:
        self._outlines = outlines
        self._opened = opened
        self._max_bytes = max_bytes
        self._until_s = until_s
        self._met: dict[PurePath, FileOutline | None] = {}
        self._passed_on: dict[tuple[PurePath, str, int], _Found] = {}

    def outline(self, path: PurePath) -> FileOutline | None:
        """Return a file's outline; None for what is private or cannot be read.

        Args:
            path: The file, relative to the workspace.
        """
        if path not in self._met:
            self._met[path] = self._read(path)
        return self._met[path]

    def imported(
        self, name: str, imports: Iterable[Import], *, hops: int = _MOST_HOPS
    ) -> _Found:
        """Return the definitions of a name that imports lead to, with their files.

        Args:
            name: The name.
            imports: What the file that uses it imports.
            hops: How many files may pass it on from others.
        """
        for each in imports:
            called = name if each.names is None else each.names.get(name)
            for path in each.files if called is not None else ():
                outline = self.outline(path)
                if outline is None or called is None:
                    continue
                found = [(path, definition) for definition in outline.named(called)]
                # All names of a file are many: only what is named is passed on.
                if not found and hops and (each.names or path.stem == "__init__"):
                    found = self._from_others(path, outline, called, hops - 1)
                if found:
                    return found
        return []

    def _from_others(
        self, path: PurePath, outline: FileOutline, name: str, hops: int
    ) -> _Found:
        """Return what a file passes on under a name; many files lead to the same."""
        key = (path, name, hops)
        if key not in self._passed_on:
            found = self.imported(name, outline.imports, hops=hops)
            self._passed_on[key] = found
        return self._passed_on[key]

    def _read(self, path: PurePath) -> FileOutline | None:
        """Return a file's outline as the file is now, read anew if it has changed."""
        outlines = self._outlines
        full = outlines.root / path
        text = self._opened.get(path)
        try:
            status = full.lstat()
        except OSError:
            status = None
        stamp = text or (status and (status.st_mtime_ns, status.st_size, status.st_ino))
        if outlines.rules.exclusion(full) is not None or not stamp:
            return None
        outline = outlines.kept(path, stamp)
        if outline is None and time.monotonic() <= self._until_s:
            if text is None:
                source = read_source_file(full, max_bytes=self._max_bytes)
                text = source.text if source else ""
            language_id = language_id_of(path, text)
            outline = FileOutline.of(path, text, language_id, outlines.workspace)
            outlines.keep(path, stamp, outline)
        return outline
