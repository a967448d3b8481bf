"""Lists the files of a source, wherever it lies, and reads them within bounds.

Nothing is unpacked to disk and nothing is run. Links, devices and paths that lead out
of the source are passed over in silence: an honest package needs none of them.
"""

import csv
import gzip
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

__all__ = [
    "DAMAGE",
    "Member",
    "TooLargeError",
    "folder_members",
    "installed_members",
    "tar_members",
    "zip_members",
]

_MOST_MEMBERS = 200_000
_MOST_BYTES = 4 * 1024**3
"""Larger archives hold data, or mean to fill the disk."""

_SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"}
)


class TooLargeError(Exception):
    """The source has more files, or more bytes, than a package has."""


DAMAGE = (
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    TooLargeError,
    UnicodeError,
    csv.Error,
    gzip.BadGzipFile,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged, encrypted or hostile source raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One regular file of a source.

    Attributes:
        path: Path inside the source, with forward slashes.
        size_bytes: Size that the source declares.
        read: Gives at most so many bytes of the content; only while the listing that
            gave the member stands at it.
    """

    path: str
    size_bytes: int
    read: Callable[[int], bytes]


def zip_members(archive: Path) -> Iterator[Member]:
    """List a wheel's or zip's files, in the order of their names.

    Raises:
        TooLargeError: The archive declares too much.
        zipfile.BadZipFile: It is no zip.
    """
    with zipfile.ZipFile(archive) as opened:
        entries = sorted(opened.infolist(), key=lambda entry: entry.filename)
        bound = _Bound()
        for entry in entries:
            bound.count(entry.file_size)
            # Archives made on other systems leave the kind of file at 0.
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if entry.is_dir() or kind not in {0, stat.S_IFREG}:
                continue
            if (path := _safe(entry.filename)) is not None:
                yield Member(
                    path=path,
                    size_bytes=entry.file_size,
                    read=_zip_reader(opened, entry),
                )


def tar_members(archive: Path) -> Iterator[Member]:
    """List a compressed tar's files, in the order in which they lie there.

    Raises:
        TooLargeError: The archive declares too much.
        tarfile.TarError: It is no tar.
    """
    with tarfile.open(archive, mode="r:*") as opened:
        bound = _Bound()
        for entry in opened:
            bound.count(entry.size)
            if not entry.isreg():
                continue
            if (path := _safe(entry.name)) is not None:
                yield Member(
                    path=path, size_bytes=entry.size, read=_tar_reader(opened, entry)
                )


def folder_members(folder: Path) -> Iterator[Member]:
    """List a folder's files, in the order of their names.

    Hidden folders, environments and build results are left out.

    Raises:
        TooLargeError: The folder holds too much.
    """
    bound = _Bound()
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in _SKIPPED_FOLDERS
        )
        for name in sorted(names):
            path = Path(parent, name)
            if (member := _file_member(folder, path)) is not None:
                bound.count(member.size_bytes)
                yield member


def installed_members(dist_info: Path) -> Iterator[Member]:
    """List the files that an installed package's ``RECORD`` names.

    Raises:
        TooLargeError: It names too much.
        OSError: There is no ``RECORD``.
    """
    root = dist_info.parent
    bound = _Bound()
    with (dist_info / "RECORD").open(encoding="utf-8", newline="") as record:
        names = sorted({row[0] for row in csv.reader(record) if row})
    for name in names:
        if (safe := _safe(name)) is None:
            continue
        if (member := _file_member(root, root / safe)) is not None:
            bound.count(member.size_bytes)
            yield member


class _Bound:
    """Counts files and bytes, and refuses the one too many."""

    def __init__(self) -> None:
        self._members = 0
        self._bytes = 0

    def count(self, size: int) -> None:
        self._members += 1
        self._bytes += size
        if self._members > _MOST_MEMBERS or self._bytes > _MOST_BYTES:
            raise TooLargeError


def _safe(name: str) -> str | None:
    """Give the name in its plain form, or None if it may lead out of the source."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name:
        return None
    return str(path)


def _file_member(root: Path, path: Path) -> Member | None:
    """Describe a file on disk; None if it is not there, no file, or reached by link."""
    try:
        status = path.lstat()
        inside = path.parent.resolve().is_relative_to(root.resolve())
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode) or not inside:
        return None
    return Member(
        path=path.relative_to(root).as_posix(),
        size_bytes=status.st_size,
        read=_file_reader(path),
    )


def _zip_reader(
    opened: zipfile.ZipFile, entry: zipfile.ZipInfo
) -> Callable[[int], bytes]:
    def read(limit_bytes: int) -> bytes:
        with opened.open(entry) as file:
            return file.read(limit_bytes)

    return read


def _tar_reader(
    opened: tarfile.TarFile, entry: tarfile.TarInfo
) -> Callable[[int], bytes]:
    def read(limit_bytes: int) -> bytes:
        file = opened.extractfile(entry)
        return b"" if file is None else file.read(limit_bytes)

    return read


def _file_reader(path: Path) -> Callable[[int], bytes]:
    def read(limit_bytes: int) -> bytes:
        with path.open("rb") as file:
            return file.read(limit_bytes)

    return read
