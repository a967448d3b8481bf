"""Finds where names are defined: where imports lead, then by the index."""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from lsp_server.file_languages import language_id_of
from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.definitions.imports import Import, Workspace, imports_in
from lsp_server.project.definitions.tags import Definition, definitions_in
from lsp_server.project.index.source_files import read_source_file
from lsp_server.text import with_line_feeds

__all__ = ["FileOutline", "Outlines"]

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
    """Reads the outlines of one workspace folder's files, and keeps them.

    It reads the file system: call it in a thread, from one at a time.

    Args:
        root: The workspace folder, without symbolic links.
        rules: Say what is private.
    """

    def __init__(self, root: Path, rules: PathRules) -> None:
        self.root = root
        self.workspace = Workspace(root)
        self._rules = rules
        self._kept: dict[PurePath, tuple[object, FileOutline]] = {}
        self.until_s = math.inf
        """From then on, by the monotonic clock, only files are used that were read."""

    def outline(
        self, path: PurePath, opened: Mapping[PurePath, str], *, max_bytes: int
    ) -> FileOutline | None:
        """Return a file's outline; None for what is private or cannot be read.

        Args:
            path: The file, relative to the workspace.
            opened: The text of open documents, which counts in place of their files.
            max_bytes: Larger files are not read.
        """
        full = self.root / path
        text = opened.get(path)
        try:
            status = full.lstat()
        except OSError:
            status = None
        stamp = text or (status and (status.st_mtime_ns, status.st_size, status.st_ino))
        if self._rules.exclusion(full) is not None or not stamp:
            return None
        kept = self._kept.pop(path, None)
        if kept is None or kept[0] != stamp:
            if time.monotonic() > self.until_s:
                return None
            if text is None:
                source = read_source_file(full, max_bytes=max_bytes)
                text = source.text if source else ""
            language_id = language_id_of(path, text)
            outline = FileOutline.of(path, text, language_id, self.workspace)
            kept = (stamp, outline)
        self._kept[path] = kept
        if len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return kept[1]

    def imported(
        self,
        name: str,
        imports: Iterator[Import] | tuple[Import, ...],
        opened: Mapping[PurePath, str],
        *,
        max_bytes: int,
        hops: int = _MOST_HOPS,
    ) -> Iterator[tuple[PurePath, Definition]]:
        """Yield the definitions of a name that imports lead to.

        Args:
            name: The name.
            imports: What the file that uses it imports.
            opened: As of `outline`.
            max_bytes: As of `outline`.
            hops: How many files may pass it on from others.
        """
        for each in imports:
            called = name if each.names is None else each.names.get(name)
            for path in each.files if called is not None else ():
                outline = self.outline(path, opened, max_bytes=max_bytes)
                if outline is None or called is None:
                    continue
                found = [(path, definition) for definition in outline.named(called)]
                # All names of a file are many: only what is named is passed on.
                if not found and hops and (each.names or path.stem == "__init__"):
                    found = [
                        *self.imported(
                            called,
                            outline.imports,
                            opened,
                            max_bytes=max_bytes,
                            hops=hops - 1,
                        )
                    ]
                if found:
                    yield from found
                    return
