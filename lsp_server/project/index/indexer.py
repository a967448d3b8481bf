"""Keeps the index of one workspace folder up to date, in a thread of its own."""

import logging
import sqlite3
import threading
import time
import zlib
from collections import deque
from pathlib import Path, PurePath

from lsp_server.privacy.path_rules import PathRules
from lsp_server.project.index.index_file import IndexFile, index_path
from lsp_server.project.index.source_files import SourceFiles
from lsp_server.project.index.store import (
    IndexStore,
    StaleIndexError,
    damage,
    failure,
    stored_path,
)
from lsp_server.project.index.update import DefinedNames, IndexLimits, IndexUpdate
from lsp_server.project.index.watch import FolderWatch

__all__ = ["Indexer"]

_log = logging.getLogger(__name__)

_SLICE_S = 0.01
_BREAK_S = 0.002
"""Between two slices of work, threads that wait for the interpreter get it."""

_TYPING_BREAK_S = 0.1
_TYPING_S = 0.5
"""So long after a key the work goes slowly."""


_UNWATCHED = "files that you save are indexed anew at once, others minutes later"
_UNREADABLE_WAIT_S = 30.0

_IGNORE_FILES = frozenset({".gitignore", ".midfillignore"})


class _ClosedError(Exception):
    """The index is not wanted any more."""


class Indexer:
    """Indexes a workspace folder, then follows its changes until it is closed.

    Of several indexers of one folder, in whatever process, one works; the others wait
    for its end and take over. Whatever fails ends the indexing alone: what is indexed
    already stays in use.

    Args:
        folder: The workspace folder.
        rules: Say what is private.
        limits: How much is indexed.
        defined_names: Finds the names that a file defines.
    """

    def __init__(
        self,
        folder: Path,
        *,
        rules: PathRules,
        limits: IndexLimits,
        defined_names: DefinedNames,
    ) -> None:
        """Start nothing yet."""
        self._folder = folder
        self._rules = rules
        self._limits = limits
        self._defined_names = defined_names
        self._logged: set[str] = set()
        self._closed = threading.Event()
        self._saved: deque[PurePath] = deque()
        self._slice_end_s = 0.0
        self._typed_s = 0.0
        self._thread = threading.Thread(
            target=self._run, name="midfill-index", daemon=True
        )

    def start(self) -> None:
        """Begin to index; return at once."""
        self._thread.start()

    def typed(self) -> None:
        """Note that the user is typing: the work goes slowly for a moment."""
        self._typed_s = time.monotonic()

    def saved(self, path: PurePath) -> None:
        """Note that a file was saved, for where changes cannot be watched.

        Args:
            path: The file's path relative to the workspace.
        """
        self._saved.append(path)

    def close(self) -> None:
        """End the work, and return at once."""
        self._closed.set()

    def join(self) -> None:
        """Wait for the end of a closed indexer; blocks for some milliseconds."""
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        """Work until closed; the thread's one guard."""
        try:
            root = self._folder.resolve()
            file = IndexFile(index_path(root))
            with file.locked(self._wait):
                self._work(root, file)
        except _ClosedError:
            pass
        except (OSError, sqlite3.Error) as error:
            self._log_once(*failure(error))
        except Exception as error:  # noqa: BLE001 - the one guard of the thread
            # Not the error's text, which could hold some of a file.
            _log.error("index.crashed", extra={"error": type(error).__name__})

    def _work(self, root: Path, file: IndexFile) -> None:
        """Index and follow; an index that cannot be used is built anew, once."""
        file.create()
        file.remove_unused()
        try:
            self._follow(root, file.path)
        except (StaleIndexError, sqlite3.Error, zlib.error) as error:
            what = damage(error)
            if what is None:
                raise
            self._log_once(what, "it is built anew")
            file.remove()
            file.create()
            self._follow(root, file.path)

    def _follow(self, root: Path, index: Path) -> None:
        """Index everything, then what changes; ends with an exception alone."""
        limits = self._limits
        files = SourceFiles(
            root, self._rules, max_bytes=limits.file_bytes, pause=self._pause
        )
        watch = FolderWatch(
            root,
            closed=self._closed,
            saved=self._saved,
            unwatched=lambda what: self._log_once(what, _UNWATCHED),
        )
        with IndexStore(index, max_bytes=limits.index_bytes) as store:
            update = IndexUpdate(
                root,
                store,
                files,
                limits=limits,
                defined_names=self._defined_names,
                pause=self._pause,
            )
            while True:
                self._scan(update)
                self._watch(update, watch)
                self._wait(_BREAK_S)

    def _scan(self, update: IndexUpdate) -> None:
        """Bring all of the index up to date, as soon as the folder can be read."""
        began_s = time.monotonic()
        while True:
            try:
                update.scan()
                break
            except OSError as error:
                self._log_once(f"the folder cannot be read ({error.strerror})", "")
                self._wait(_UNREADABLE_WAIT_S)
        if update.left_out:
            self._log_once(
                f"it has more than {self._limits.files} source files, and the others "
                "are not indexed",
                "open a smaller folder, or add what is not needed to .midfillignore",
            )
        duration_ms = round((time.monotonic() - began_s) * 1e3)
        extra = {"folders": len(update.folders), "duration_ms": duration_ms}
        _log.debug("index.scanned", extra=extra)

    def _watch(self, update: IndexUpdate, watch: FolderWatch) -> None:
        """Follow changes until a scan is needed."""
        watched = update.folders
        is_first = True
        for changed in watch.changes(watched):
            if is_first:
                # What has changed before the changes were watched.
                is_first = False
                update.scan()
                if update.folders != watched:
                    return
            if any(path.name in _IGNORE_FILES for path in changed):
                return
            for folder in sorted({stored_path(path)[0] for path in changed}):
                if not update.update(folder):
                    return
                _log.debug("index.updated")

    def _pause(self) -> None:
        """Let other threads run now and then; more so while the user is typing.

        Raises:
            _ClosedError: The indexer is closed.
        """
        now_s = time.monotonic()
        if now_s < self._slice_end_s:
            return
        is_typing = now_s - self._typed_s < _TYPING_S
        self._wait(_TYPING_BREAK_S if is_typing else _BREAK_S)
        self._slice_end_s = time.monotonic() + _SLICE_S

    def _wait(self, seconds: float) -> None:
        """Wait, or raise `_ClosedError` once the indexer is closed."""
        if self._closed.wait(seconds):
            raise _ClosedError

    def _log_once(self, what: str, remedy: str) -> None:
        """Log a limit or an error that makes the index incomplete, each once."""
        if what not in self._logged:
            self._logged.add(what)
            extra = {"folder": str(self._folder), "what": what, "remedy": remedy}
            _log.warning("index.limited", extra=extra)
