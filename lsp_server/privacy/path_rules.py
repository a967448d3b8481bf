"""Which files are private: default rules, ``.midfillignore`` and ``.gitignore``."""

import enum
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath

from lsp_server.privacy.default_rules import default_patterns
from lsp_server.privacy.ignore_files import IgnoreFile, IgnoreFiles, first_decision

__all__ = ["Exclusion", "PathRules"]

_FRESH_S = 1.0
"""So long the ignore files of a folder are taken to be as they were."""

_MOST_FOLDERS = 20_000
_MOST_PATH_BYTES = 4096
"""Linux opens no longer path."""

_REACH_PARTS = 4
"""No default rule has as many parts."""


class Exclusion(enum.Enum):
    """Which kind of rule makes a file private."""

    DEFAULT = "the default rules"
    OWN_FILE = ".midfillignore"
    GIT_FILE = ".gitignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """The rules for what lies in one folder.

    Attributes:
        exclusion: Why all of it is private; None where it is not.
        own: The files ``.midfillignore`` from here upwards.
        git: The files ``.gitignore`` from here up to the root of the repository, and
            then its ``info/exclude``.
    """

    exclusion: Exclusion | None
    own: tuple[IgnoreFile, ...]
    git: tuple[IgnoreFile, ...]


_NO_RULES = _Folder(exclusion=None, own=(), git=())


class PathRules:
    """Says which files are private, and follows the ignore files as they change.

    A private file is never context for another one and gets no completions itself,
    except that a setting allows them where `Exclusion.GIT_FILE` is the reason. What
    ``.midfillignore`` says, in the file's folder or any above, comes first: it can
    exclude, and with ``!`` allow what other rules exclude. ``.gitignore`` counts up to
    the root of the repository; outside of one in every folder but the home folder and
    those above it.

    It reads the file system, so call it in a thread; several may at a time.

    Args:
        reads_disk: Whether there are ignore files to read; else only the default rules
            count, as for a client on another machine.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, *, reads_disk: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reads_disk = reads_disk
        self._clock = clock
        self._defaults = default_patterns()
        self._files = IgnoreFiles()
        self._home = os.path.realpath(os.path.expanduser("~")) + "/"  # noqa: PTH111  # does not raise
        self._folders: dict[str, tuple[_Folder, float]] = {}

    def exclusion(
        self, path: PurePath, *, is_folder: bool = False, is_here: bool = True
    ) -> Exclusion | None:
        """Return why a file is private; None where it is not.

        The rules for a symbolic link are its own and its target's. The file need not
        exist.

        Args:
            path: An absolute path.
            is_folder: Whether it is a folder: all in a private folder is private.
            is_here: Whether it is a path of this machine; else only the default rules
                count.
        """
        name = os.path.normpath("/" + str(path).lstrip("/"))
        if not (self._reads_disk and is_here and _can_exist(name)):
            return self._by_defaults(name, is_folder=is_folder)
        found = self._by_rules(name, is_folder=is_folder)
        if found is None:
            target = os.path.realpath(name)
            if target != name:
                found = self._by_rules(target, is_folder=is_folder)
        return found

    def _by_defaults(self, path: str, *, is_folder: bool) -> Exclusion | None:
        """Apply the default rules to each folder of a path, and to its end."""
        parts = [f"{part}/" for part in path.strip("/").split("/")]
        if not is_folder:
            parts[-1] = parts[-1].removesuffix("/")
        for end in range(1, len(parts) + 1):
            if self._defaults.decide("".join(parts[max(0, end - _REACH_PARTS) : end])):
                return Exclusion.DEFAULT
        return None

    def _by_rules(self, path: str, *, is_folder: bool) -> Exclusion | None:
        """Apply every rule to a path, but not to what it links to."""
        head, _, name = path.rpartition("/")
        if not name:
            return None
        return self._of_entry(self._folder(head), f"{path}/" if is_folder else path)

    def _of_entry(self, folder: _Folder, path: str) -> Exclusion | None:
        """Apply a folder's rules to a path in it."""
        if folder.exclusion is not None:
            return folder.exclusion
        is_private = first_decision(folder.own, path)
        if is_private is not None:
            return Exclusion.OWN_FILE if is_private else None
        if self._defaults.decide(path[1:]):
            return Exclusion.DEFAULT
        return Exclusion.GIT_FILE if first_decision(folder.git, path) else None

    def _folder(self, path: str) -> _Folder:
        """Return the rules of a folder, as its ignore files are now.

        Args:
            path: The folder without a slash at the end; empty for the root.
        """
        now_s = self._clock()
        stale: list[str] = []
        folder = _NO_RULES
        while True:
            known = self._folders.get(path)
            if known is not None and now_s - known[1] < _FRESH_S:
                folder = known[0]
                break
            stale.append(path)
            if not path:
                break
            path = path.rpartition("/")[0]
        if len(self._folders) > _MOST_FOLDERS:
            self._folders.clear()
        for each in reversed(stale):
            folder = self._read(each, folder)
            self._folders[each] = folder, now_s
        return folder

    def _read(self, path: str, above: _Folder) -> _Folder:
        """Put a folder's rules together."""
        base = f"{path}/"
        is_repository = os.path.lexists(f"{base}.git")
        own = self._files.get(f"{base}.midfillignore", base)
        git = self._files.get(f"{base}.gitignore", base)
        # The home folder itself is often no project, and ignores everything.
        if self._home.startswith(base) and not is_repository:
            git = None
        outer = above.git
        exclusion = self._of_entry(above, base)
        if is_repository:
            # The rules of a repository around this one do not count.
            exclude = self._files.get(_exclude_path(f"{base}.git"), base)
            outer = (exclude,) if exclude else ()
            exclusion = None if exclusion is Exclusion.GIT_FILE else exclusion
        return _Folder(
            exclusion=exclusion,
            own=((own,) if own else ()) + above.own,
            git=((git,) if git else ()) + outer,
        )


def _can_exist(path: str) -> bool:
    """Return whether the system could open a file of this path."""
    try:
        return "\0" not in path and len(os.fsencode(path)) < _MOST_PATH_BYTES
    except UnicodeEncodeError:
        return False


def _exclude_path(git: str) -> str:
    """Return where a repository's ``info/exclude`` is.

    Args:
        git: Its ``.git``: a folder, or in a linked worktree a file that names one.
    """
    folder = Path(git)
    try:
        if folder.is_file():
            named = folder.read_text("utf-8").removeprefix("gitdir:").strip()
            folder = folder.parent / named
            common = folder / "commondir"
            if common.is_file():
                folder /= common.read_text("utf-8").strip()
    except (OSError, ValueError):
        pass
    return str(folder / "info" / "exclude")
