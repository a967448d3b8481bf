"""The daemon's log: a file that takes all that the process writes, and is rotated."""

import os
import sys
from pathlib import Path

__all__ = ["LogFile"]

_STDOUT, _STDERR = 1, 2
_MAX_BYTES = 5 * 1024 * 1024
_OLDER = 2


class LogFile:
    """Puts a file behind stdout and stderr, of this process and of its children.

    A child that was started before a rotation goes on writing into the older file.

    Args:
        path: The file; older ones are beside it, ``.1`` the newest of them.
        max_bytes: The size from which a file is rotated.
    """

    def __init__(self, path: Path, *, max_bytes: int = _MAX_BYTES) -> None:
        """Note the file; ``open`` begins."""
        self._path = path
        self._max_bytes = max_bytes

    def open(self) -> None:
        """Send stdout and stderr to the file, after what is in it.

        Raises:
            OSError: It cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        sys.stdout.flush()
        sys.stderr.flush()
        for standard in (_STDOUT, _STDERR):
            os.dup2(fd, standard)
        os.close(fd)

    def rotate(self) -> None:
        """Begin a new file if this one is too long, or was removed.

        Raises:
            OSError: The files cannot be renamed or written.
        """
        try:
            size_bytes = self._path.stat().st_size
        except FileNotFoundError:
            self.open()
            return
        if size_bytes < self._max_bytes:
            return
        for number in range(_OLDER, 0, -1):
            older = self._older(number - 1) if number > 1 else self._path
            if older.exists():
                older.rename(self._older(number))
        self.open()

    def _older(self, number: int) -> Path:
        """Return the path of an older file, counted from 1."""
        return self._path.with_name(f"{self._path.name}.{number}")
