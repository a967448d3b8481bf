"""Says which files of a workspace folder have changed."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from threading import Event

import watchfiles

__all__ = ["FolderWatch"]

_STEP_MS = 100
_ROUND_MS = 500
_MOST_FOLDERS = 8_192
"""A usual limit for the inotify watches of a user is 65,536, for all programs."""

_UNWATCHED_S = 300.0


class FolderWatch:
    """Follows the changes of folders, by the system's news where it sends any.

    Where folders cannot be watched, there remains what the editor says it has saved.

    Args:
        root: The workspace folder, without symbolic links.
        closed: Ends everything once it is set.
        saved: What the editor has saved since, relative to the folder; taken from here.
        unwatched: Receives why changes cannot be watched.
    """

    def __init__(
        self,
        root: Path,
        *,
        closed: Event,
        saved: deque[PurePath],
        unwatched: Callable[[str], None],
    ) -> None:
        self._root = root
        self._closed = closed
        self._unwatched = unwatched
        self._saved = saved

    def changes(self, folders: Sequence[str]) -> Iterator[set[PurePath]]:
        """Yield the paths that have changed, twice a second, also none.

        It ends when it is closed, when a folder is not there any more, and after some
        minutes where nothing can be watched.

        Args:
            folders: The folders to follow, without those below them. They are relative
                to the workspace folder, as are the paths.
        """
        if len(folders) <= _MOST_FOLDERS:
            try:
                yield from self._watched(folders)
            except FileNotFoundError:
                return
            except (OSError, RuntimeError):
                self._unwatched("its changes cannot be watched")
            else:
                return
        else:
            self._unwatched("it has too many folders to watch their changes")
        until_s = time.monotonic() + _UNWATCHED_S
        while time.monotonic() < until_s and not self._closed.wait(_ROUND_MS / 1e3):
            yield self._take_saved()

    def _watched(self, folders: Sequence[str]) -> Iterator[set[PurePath]]:
        """Yield as `changes` does, from the system's news, until closed."""
        for changes in watchfiles.watch(
            *(self._root / folder for folder in folders),
            watch_filter=None,
            step=_STEP_MS,
            stop_event=self._closed,
            rust_timeout=_ROUND_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            recursive=False,
            ignore_permission_denied=True,
        ):
            paths = (PurePath(path) for _, path in changes)
            inside = {
                path.relative_to(self._root)
                for path in paths
                if path.is_relative_to(self._root) and path != self._root
            }
            yield inside | self._take_saved()

    def _take_saved(self) -> set[PurePath]:
        """Return what was saved since the last call."""
        saved: set[PurePath] = set()
        with suppress(IndexError):
            while True:
                saved.add(self._saved.popleft())
        return saved
