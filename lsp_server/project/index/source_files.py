"""The source files of a workspace: which there are, and what is in them.

Symbolic links are not followed, so nothing outside of the workspace is read, nothing is
read twice, and no loop is walked.
"""

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from lsp_server.file_languages import language_id_of
from lsp_server.privacy.path_rules import PathRules

__all__ = ["FolderListing", "SourceFiles", "SourceText", "kind_of", "read_source_file"]

_NO_SOURCE = frozenset(
    [
        "bibtex",
        "diff",
        "json",
        "jsonc",
        "latex",
        "markdown",
        "plaintext",
        "restructuredtext",
        "xml",
    ]
)
"""Data and prose: files of these languages are many, and no context for code."""

_KINDS: Mapping[str, str] = {
    language: kind
    for kind, languages in {
        "c": "c cpp cuda-cpp objective-c objective-cpp",
        "css": "css less sass scss",
        "javascript": "javascript javascriptreact svelte typescript "
        "typescriptreact vue",
    }.items()
    for language in languages.split()
}

_FOREIGN_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})
_FOREIGN_MARKS = frozenset({"CACHEDIR.TAG", "pyvenv.cfg"})
"""A file of such a name says that its folder is a cache, or a Python environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderListing:
    """What lies in one folder and counts.

    Attributes:
        folder: The folder relative to the workspace, with forward slashes; empty for
            the workspace itself.
        files: The status of each source file, by name and in its order.
        folders: The folders in it, like ``folder``, in their order.
    """

    folder: str
    files: Mapping[str, os.stat_result]
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceText:
    """A file's text as it was read.

    Attributes:
        data: The bytes.
        text: The same as text, without a byte order mark.
        status: The file's status.
        is_whole: Whether nobody changed the file while it was read.
    """

    data: bytes
    text: str
    status: os.stat_result
    is_whole: bool


def kind_of(path: PurePath, language_id: str = "") -> str | None:
    """Return the kind of a file's language; None where the file is no source.

    Languages that can use each other's declarations, such as C and C++, are one kind.

    Args:
        path: The file; its name decides.
        language_id: Decides where the name does not.
    """
    named = language_id_of(path)
    language = language_id if named == "plaintext" and language_id else named
    return None if language in _NO_SOURCE else _KINDS.get(language, language)


def read_source_file(path: Path, *, max_bytes: int) -> SourceText | None:
    """Read a source file.

    Returns:
        Its text; None for what is larger, is no regular file, cannot be read, or is not
        UTF-8 text.
    """
    # A pipe in the place of a file would block.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode) or before.st_size > max_bytes:
                return None
            data = file.read(max_bytes + 1)
            after = os.fstat(file.fileno())
        text = data.decode("utf-8-sig")
    except (OSError, ValueError):
        return None
    if len(data) > max_bytes or "\0" in text:
        return None
    same = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, len(data))
    return SourceText(data=data, text=text, status=before, is_whole=same)


class SourceFiles:
    """Lists the source files of a workspace folder that are not private.

    It reads the file system, so call it in a thread.

    Args:
        root: The workspace folder, without symbolic links.
        rules: Say what is private.
        max_bytes: Larger files do not count.
        pause: Called at each entry of a folder; what it raises ends the work.
    """

    def __init__(
        self,
        root: Path,
        rules: PathRules,
        *,
        max_bytes: int,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        self._root = root
        self._rules = rules
        self._max_bytes = max_bytes
        self._pause = pause

    def walk(self) -> Iterator[FolderListing]:
        """Yield the workspace folder and those below it, the outer ones first.

        Folders that cannot be read are left out, but for the workspace folder.

        Raises:
            OSError: The workspace folder cannot be read.
        """
        waiting = deque([""])
        while waiting:
            folder = waiting.popleft()
            try:
                listing = self.listing(folder)
            except OSError:
                if not folder:
                    raise
                continue
            yield listing
            waiting.extend(listing.folders)

    def listing(self, folder: str) -> FolderListing:
        """List one folder.

        Raises:
            OSError: It cannot be read.
        """
        path = self._root / folder
        with os.scandir(path) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        files: dict[str, os.stat_result] = {}
        folders = []
        is_foreign = not _FOREIGN_MARKS.isdisjoint(entry.name for entry in found)
        if not folder or not is_foreign:
            for entry in found:
                self._pause()
                if entry.is_dir(follow_symlinks=False):
                    if self._is_own(entry):
                        folders.append(f"{folder}/{entry.name}".lstrip("/"))
                elif (status := self._status(entry)) is not None:
                    files[entry.name] = status
        return FolderListing(folder=folder, files=files, folders=tuple(folders))

    def _is_own(self, entry: "os.DirEntry[str]") -> bool:
        """Return whether a folder may hold source of the workspace."""
        name = entry.name
        if name.startswith(".") or name in _FOREIGN_FOLDERS or not _is_text(name):
            return False
        return self._rules.exclusion(PurePath(entry.path), is_folder=True) is None

    def _status(self, entry: "os.DirEntry[str]") -> os.stat_result | None:
        """Return a source file's status; None for what is no source or private."""
        if kind_of(PurePath(entry.name)) is None or not _is_text(entry.name):
            return None
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode) or status.st_size > self._max_bytes:
            return None
        private = self._rules.exclusion(PurePath(entry.path))
        return status if private is None else None


def _is_text(name: str) -> bool:
    """Return whether a name is UTF-8: the index and the prompt hold no other."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
