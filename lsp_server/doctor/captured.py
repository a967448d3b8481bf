"""Keeps what libraries and child processes print out of the report."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["captured_output"]


@contextlib.contextmanager
def captured_output() -> Iterator[BinaryIO]:
    """Send what goes to fd 1 and 2, of this process and its children, into a file.

    Yields:
        The file, which is gone when the block ends: read it before.
    """
    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        sys.stderr.flush()
        kept = [(fd, os.dup(fd)) for fd in (1, 2)]
        try:
            for fd, _ in kept:
                os.dup2(file.fileno(), fd)
            yield file
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for fd, copy in kept:
                os.dup2(copy, fd)
                os.close(copy)
