"""Whole files and folders, and gzipped JSON lines.

What is written here appears whole or not at all, also after a crash.
"""

import errno
import fcntl
import gzip
import json
import os
import secrets
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from lsp_server.errors import MidfillError

__all__ = [
    "JsonLinesWriter",
    "WholeFolder",
    "atomic_write",
    "atomic_write_text",
    "read_json_lines",
    "read_lines",
]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def atomic_write(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when the block succeeds.

    Whoever reads ``path``, also after a crash, finds the old content or all of the new
    one. If the block raises, the old file stays and nothing is left beside it. The new
    file gets the permissions ``mode``, less the process's umask.

    Raises:
        OSError: The file cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        created = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(created, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def atomic_write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    with atomic_write(path) as file:
        file.write(text.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFolder:
    """A folder that is made elsewhere and appears in its place when it is finished.

    Attributes:
        output: The folder to make.
        holds: What it will hold, in a word, for error messages.
        error: The class of the errors raised.
        if_full: What to do when the disk is full, for error messages.
        if_refused: What to do when the folder cannot be written otherwise.
    """

    output: Path
    holds: str
    error: type[MidfillError]
    if_full: str = "Free space on that disk and run this again"
    if_refused: str = "Check that the folder may be written to"

    def check(self) -> None:
        """Check, before any work, that a new folder can be made.

        Raises:
            MidfillError: The output exists and is not empty, or its parent is missing.
        """
        output = self.output
        if output.exists() and not (output.is_dir() and not any(output.iterdir())):
            raise self.error(
                "the output is not an empty folder",
                subject=str(output),
                remedy=f"Name a new one: what lies there would mix with the "
                f"{self.holds}",
            )
        if not output.resolve().parent.is_dir():
            raise self.error(
                "the output's parent folder is missing",
                subject=str(output),
                remedy="Create it first",
            )

    @contextmanager
    def unfinished(self) -> Iterator[Path]:
        """Yield a temporary folder beside the output, removed when the block ends.

        Raises:
            MidfillError: A file in the block cannot be written.
        """
        output = self.output.resolve()
        prefix = f".{output.name}.unfinished-"
        with self._explain_disk_errors(), ExitStack() as cleanup:
            output.parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=output.parent))
            cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
            yield folder

    @contextmanager
    def resumable(self) -> Iterator[Path]:
        """Yield a hidden folder beside the output that outlives a failure.

        The next try finds in it what this one had made. It is removed when the block
        succeeds, and belongs to one process at a time.

        Raises:
            MidfillError: A file in the block cannot be written, or another process is
                making this folder.
        """
        output = self.output.resolve()
        folder = output.with_name(f".{output.name}.unfinished")
        with self._explain_disk_errors():
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "lock").open("wb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as exc:
                    raise self.error(
                        f"another process is making this {self.holds}",
                        subject=str(self.output),
                        remedy="Wait until it is done",
                    ) from exc
                yield folder
                shutil.rmtree(folder, ignore_errors=True)

    def publish(self, finished: Path) -> None:
        """Rename a folder inside the unfinished one to the output, in one step.

        Raises:
            OSError: It cannot be renamed, as when the output is not empty.
        """
        finished.rename(self.output.resolve())

    def replace(self, finished: Path, *, aside: Path | None = None) -> None:
        """Rename as `publish` does, after moving an older output aside.

        Args:
            finished: The folder inside the unfinished one.
            aside: What the older output is called from then on; None to have it removed
                with the unfinished folder.

        Raises:
            OSError: It cannot be renamed; the older output is where it was.
        """
        output = self.output.resolve()
        if not output.exists():
            self.publish(finished)
            return
        older = aside or finished.with_name(f"{finished.name}.older")
        output.rename(older)
        try:
            self.publish(finished)
        except OSError:
            older.rename(output)
            raise

    @contextmanager
    def _explain_disk_errors(self) -> Iterator[None]:
        """Raise the folder's own class of errors in place of ``OSError``."""
        try:
            yield
        except OSError as exc:
            raise self.error(
                f"the {self.holds} cannot be written ({exc.strerror})",
                subject=str(exc.filename or self.output.resolve().parent),
                remedy=self.if_full if exc.errno in _FULL else self.if_refused,
            ) from exc


class JsonLinesWriter:
    """Writes gzipped JSON lines.

    The same lines give the same bytes: neither a name nor a time is in the file.

    Args:
        path: The file to write, over an older one.
        level: How hard to compress, from 1 to 9.
    """

    def __init__(self, path: Path, *, level: int = 6) -> None:
        self._file = path.open("wb")
        self._zipped = gzip.GzipFile(
            filename="", mode="wb", compresslevel=level, fileobj=self._file, mtime=0
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, row: Mapping[str, object]) -> int:
        """Write a row, and return its size in bytes before compression."""
        return self.write_line(json.dumps(row) + "\n")

    def write_line(self, line: str) -> int:
        """Write a line from `read_lines`, and return its size in bytes."""
        return self._zipped.write(line.encode())

    def close(self) -> None:
        """Write what is buffered, and close the file."""
        with self._file:
            self._zipped.close()


def read_lines(path: Path) -> Iterator[str]:
    """Yield each line with its line feed; a file named ``.gz`` is decompressed.

    Raises:
        OSError: The file cannot be read, or is no whole gzip file.
        UnicodeDecodeError: It is not UTF-8.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        # JSON may hold every other line end; only the line feed ends a row.
        with opened(path, "rt", encoding="utf-8", newline="\n") as lines:
            yield from lines
    except (gzip.BadGzipFile, EOFError, zlib.error) as exc:
        raise OSError(errno.EIO, "it is no whole gzip file", str(path)) from exc


def read_json_lines(
    path: Path,
    *,
    error: type[MidfillError],
    remedy: str,
    texts: Sequence[str] = (),
) -> Iterator[Mapping[str, object]]:
    """Yield the object of each line; a file named ``.gz`` is decompressed.

    Args:
        path: The file.
        error: The class of the errors raised.
        remedy: What to do about a file that cannot be used.
        texts: Keys that each object must have, with a string.

    Raises:
        MidfillError: The file cannot be read, or a line is not such an object.
    """
    damaged = partial(error, subject=str(path), remedy=remedy)
    number = 0
    try:
        for number, line in enumerate(read_lines(path), 1):
            row = json.loads(line)
            if not isinstance(row, dict):
                raise damaged(f"line {number} is not a JSON object")
            for key in texts:
                if not isinstance(row.get(key), str):
                    raise damaged(f"line {number} has no text {key!r}")
            yield row
    except OSError as exc:
        raise damaged(f"it cannot be read ({exc.strerror or exc})") from exc
    except UnicodeDecodeError as exc:
        raise damaged("it is not UTF-8") from exc
    # JSON's depth has no limit but the stack.
    except (ValueError, RecursionError) as exc:
        raise damaged(f"line {number} is not JSON") from exc
