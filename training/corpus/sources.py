"""Finds the packages below a source, and lists and reads their files within limits.

A package lies on disk as a wheel, an sdist, an installed package or a project's folder.
Nothing is unpacked to disk, and nothing is run. Links, devices and paths that lead out
of the package are skipped silently: an honest package needs none of them.
"""

import csv
import enum
import gzip
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from lsp_server.errors import CorpusError

__all__ = [
    "DAMAGE",
    "Kind",
    "Location",
    "Member",
    "TooLargeError",
    "find_locations",
    "folder_members",
    "installed_members",
    "tar_members",
    "zip_members",
]

_MOST_MEMBERS = 200_000
_MOST_BYTES = 4 * 1024**3
"""Larger archives hold data, or are meant to fill the disk."""

_SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"}
)
_PROJECT = ("pyproject.toml", "PKG-INFO", "LICENSE*", "LICENCE*", "COPYING*")


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
    """One regular file of a package.

    Attributes:
        path: Path inside the package, with forward slashes.
        size_bytes: Size that the package declares.
        read: Returns at most so many bytes, until the next member is listed.
    """

    path: str
    size_bytes: int
    read: Callable[[int], bytes]


class Kind(enum.Enum):
    """How a package lies on disk."""

    WHEEL = "wheel"
    ZIP = "zip"
    TAR = "tar"
    INSTALLED = "installed package"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """One package on disk.

    Attributes:
        path: The archive, the folder, or the ``dist-info`` of an installed package.
        kind: Which of these.
    """

    path: Path
    kind: Kind

    def members(self) -> Iterator[Member]:
        """List the package's files, an sdist's without its outermost folder.

        Raises:
            DAMAGE: One of these, when the package cannot be read.
        """
        match self.kind:
            case Kind.WHEEL:
                return zip_members(self.path)
            case Kind.ZIP:
                return _without_top(zip_members(self.path))
            case Kind.TAR:
                return _without_top(tar_members(self.path))
            case Kind.INSTALLED:
                return installed_members(self.path)
            case Kind.FOLDER:
                return folder_members(self.path)


def find_locations(sources: Iterable[Path]) -> tuple[Location, ...]:
    """Find every package below the sources, each once, in the order of their paths.

    A source is a wheel, an sdist, a ``site-packages`` folder, a project's folder, or a
    folder with any number of archives at any depth.

    Raises:
        CorpusError: A source is missing, or has no package.
    """
    found: dict[Path, Location] = {}
    for source in sources:
        locations = list(_locations(source))
        if not locations:
            raise CorpusError(
                "there is no wheel, sdist, installed package or project",
                subject=str(source),
                remedy="Name an archive, or a folder of archives, of installed "
                "packages, or with a pyproject.toml or a licence file",
            )
        for location in locations:
            found.setdefault(location.path.resolve(), location)
    return tuple(sorted(found.values(), key=lambda each: each.path.as_posix()))


def _locations(source: Path) -> Iterator[Location]:
    if not source.exists():
        raise CorpusError(
            "it does not exist", subject=str(source), remedy="Check the path"
        )
    if source.is_file():
        paths = [source]
    elif installed := sorted(source.glob("*.dist-info")):
        yield from (Location(path, Kind.INSTALLED) for path in installed)
        return
    elif any(next(source.glob(name), None) for name in _PROJECT):
        yield Location(source, Kind.FOLDER)
        return
    else:
        paths = sorted(source.rglob("*"))
    for path in paths:
        if (kind := _archive_kind(path)) is not None and path.is_file():
            yield Location(path, kind)


def _archive_kind(path: Path) -> Kind | None:
    name = path.name.lower()
    if name.endswith(".whl"):
        return Kind.WHEEL
    if name.endswith(".zip"):
        return Kind.ZIP
    return Kind.TAR if name.endswith((".tar.gz", ".tgz")) else None


def _without_top(members: Iterator[Member]) -> Iterator[Member]:
    for member in members:
        _, slash, path = member.path.partition("/")
        if slash:
            yield replace(member, path=path)


def zip_members(archive: Path) -> Iterator[Member]:
    """List a wheel's or zip's files, in the order of their names.

    Raises:
        DAMAGE: One of these.
    """
    with zipfile.ZipFile(archive) as opened:
        limit = _Limit()
        for entry in sorted(opened.infolist(), key=lambda each: each.filename):
            limit.count(entry.file_size)
            # Archives made on other systems leave the kind of file at 0.
            is_file = stat.S_IFMT(entry.external_attr >> 16) in {0, stat.S_IFREG}
            if is_file and not entry.is_dir() and (path := _safe(entry.filename)):
                read = partial(_read_zip, opened, entry)
                yield Member(path=path, size_bytes=entry.file_size, read=read)


def tar_members(archive: Path) -> Iterator[Member]:
    """List a compressed tar's files, in the order in which they lie there.

    Raises:
        DAMAGE: One of these.
    """
    with tarfile.open(archive, mode="r:*") as opened:
        limit = _Limit()
        for entry in opened:
            limit.count(entry.size)
            if entry.isreg() and (path := _safe(entry.name)):
                read = partial(_read_tar, opened, entry)
                yield Member(path=path, size_bytes=entry.size, read=read)


def folder_members(folder: Path) -> Iterator[Member]:
    """List a folder's files, in the order of their names.

    Hidden folders, environments and build results are left out.

    Raises:
        TooLargeError: The folder holds too much.
    """
    limit = _Limit()
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in _SKIPPED_FOLDERS
        )
        for name in sorted(names):
            if (member := _file_member(folder, Path(parent, name))) is not None:
                limit.count(member.size_bytes)
                yield member


def installed_members(dist_info: Path) -> Iterator[Member]:
    """List the files that an installed package's ``RECORD`` names.

    Raises:
        DAMAGE: One of these.
    """
    root = dist_info.parent
    limit = _Limit()
    with (dist_info / "RECORD").open(encoding="utf-8", newline="") as record:
        names = sorted({row[0] for row in csv.reader(record) if row})
    for safe in filter(None, map(_safe, names)):
        if (member := _file_member(root, root / safe)) is not None:
            limit.count(member.size_bytes)
            yield member


class _Limit:
    """Counts files and bytes, and raises at the first beyond the limit."""

    def __init__(self) -> None:
        self._members, self._bytes = 0, 0

    def count(self, size: int) -> None:
        self._members += 1
        self._bytes += size
        if self._members > _MOST_MEMBERS or self._bytes > _MOST_BYTES:
            raise TooLargeError


def _safe(name: str) -> str | None:
    """Return the normalised name, or None if it may lead out of the source."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name:
        return None
    return str(path)


def _file_member(root: Path, path: Path) -> Member | None:
    """Return a file on disk; None if it is missing, no file, or reached by a link."""
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
        read=partial(_read_file, path),
    )


def _read_zip(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    with opened.open(entry) as file:
        return file.read(limit)


def _read_tar(opened: tarfile.TarFile, entry: tarfile.TarInfo, limit: int) -> bytes:
    file = opened.extractfile(entry)
    return b"" if file is None else file.read(limit)


def _read_file(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit)
