"""Where the index of a workspace is: its place, its lock and its end."""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lsp_server.operating_system import user_folder

__all__ = ["IndexFile", "index_path"]

_LOCK_WAIT_S = 2.0
_UNUSED_S = 90 * 86_400.0


def index_path(root: Path) -> Path:
    """Return where the index of a workspace folder is.

    Args:
        root: The workspace folder, without symbolic links.

    Raises:
        FileNotFoundError: The user has no home, so no cache folder either.
    """
    cache = user_folder("cache")
    if cache is None:
        raise FileNotFoundError(errno.ENOENT, "there is no home folder", str(root))
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
    return cache / "index" / f"{name}.sqlite"


class IndexFile:
    """An index's file, which nobody but the user may read.

    Args:
        path: Its place.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def locked(self, wait: Callable[[float], None]) -> Iterator[None]:
        """Hold the right to write it, which another process or connection may have now.

        Args:
            wait: Waits for some seconds; what it raises ends the waiting for the lock.

        Raises:
            OSError: The folder cannot be made or written.
        """
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        lock = os.open(self._lock(self.path), flags, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    wait(_LOCK_WAIT_S)
            yield
        finally:
            os.close(lock)

    def create(self) -> None:
        """Make an empty file where there is none, and note that it is in use.

        SQLite gives the files beside it the same permissions.

        Raises:
            OSError: It cannot be written.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        os.close(os.open(self.path, flags, 0o600))
        os.utime(self.path)

    def remove(self) -> None:
        """Remove the index, but not its lock."""
        _remove(self.path)

    def remove_unused(self) -> None:
        """Remove the indexes of other workspaces that nobody has used for long."""
        for path in self.path.parent.glob("*.sqlite"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _UNUSED_S:
                    _remove(path)
                    self._lock(path).unlink(missing_ok=True)

    @staticmethod
    def _lock(path: Path) -> Path:
        """Return the file that an index is locked by."""
        return path.with_suffix(".lock")


def _remove(path: Path) -> None:
    """Remove an index with the files that SQLite has beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
