"""The lock that one daemon holds as long as it lives.

It is the process's own, not a file's existence, so that no crash leaves it behind. Who
starts a daemon takes the lock and hands it to the new process: between the two nobody
else can begin.

Source: flock(2): a lock belongs to the open file, which `fork` and `exec` hand on.
"""

import errno
import fcntl
import os
from pathlib import Path
from typing import Self

from lsp_server.errors import DaemonError
from lsp_server.operating_system import reason_of

__all__ = ["DaemonLock", "holder"]


class DaemonLock:
    """A lock that this process holds; `take` gets it, `adopt` is given it."""

    def __init__(self, fd: int) -> None:
        """Hold an open file that is locked."""
        self._fd = fd

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Take the lock; None where another process holds it.

        Raises:
            DaemonError: The file cannot be used.
        """
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise DaemonError(
                f"it cannot be opened ({error.strerror})",
                subject=str(path),
                remedy="Remove it, or name another folder in XDG_RUNTIME_DIR",
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                return None
            raise DaemonError(
                f"it cannot be locked ({error.strerror})",
                subject=str(path),
                remedy="Name a folder of a local disk in XDG_RUNTIME_DIR",
            ) from error
        # An id in it is that of a daemon that has gone, and may be anybody's by now.
        os.ftruncate(fd, 0)
        return cls(fd)

    @classmethod
    def adopt(cls, fd: int) -> Self:
        """Take over the lock that the starting process has handed on.

        Raises:
            OSError: The descriptor is not open.
        """
        os.set_inheritable(fd, False)  # noqa: FBT003 - the function's own signature
        return cls(fd)

    @property
    def fd(self) -> int:
        """The open file, to hand on to the daemon."""
        return self._fd

    def hold(self) -> None:
        """Hold the lock for this process's life, and write its id into the file.

        Raises:
            DaemonError: The id cannot be written.
        """
        # A forked child that outlived the daemon would hold the lock on.
        os.register_at_fork(after_in_child=self.release)
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            raise DaemonError(
                f"the lock cannot be written ({reason_of(error)})",
                subject="the daemon's folder",
                remedy="Free space on that disk, or name another folder in "
                "XDG_RUNTIME_DIR",
            ) from error

    def release(self) -> None:
        """Close the file; the lock is free once no process has it open."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock.

    Raises:
        DaemonError: The file cannot be used.
    """
    lock = DaemonLock.take(path)
    if lock is not None:
        lock.release()
    return lock is None


def holder(path: Path) -> int | None:
    """Return the process that holds the lock; None where none does or says so.

    Raises:
        DaemonError: The file cannot be used.
    """
    if not is_held(path):
        return None
    try:
        return int(path.read_bytes()[:20])
    except (OSError, ValueError):
        return None
