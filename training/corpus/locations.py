"""Finds the sources below what the user named."""

import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lsp_server.errors import CorpusError
from training.corpus.members import (
    Member,
    folder_members,
    installed_members,
    tar_members,
    zip_members,
)

__all__ = ["Kind", "Location", "find_locations"]

_ARCHIVE = re.compile(r".*(?P<suffix>\.whl|\.zip|\.tar\.gz|\.tgz)", re.IGNORECASE)
_PROJECT = ("pyproject.toml", "PKG-INFO", "LICENSE*", "LICENCE*", "COPYING*")


class Kind(enum.Enum):
    """How a package lies on disk."""

    WHEEL = "wheel"
    ZIP = "zip"
    TAR = "tar"
    INSTALLED = "installed package"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """One package as it lies on disk.

    Attributes:
        path: The archive, the folder, or the ``dist-info`` of an installed package.
        kind: Which of these.
    """

    path: Path
    kind: Kind

    def members(self) -> Iterator[Member]:
        """List the package's files, an sdist's without its outermost folder.

        Raises:
            DAMAGE: One of these, when it cannot be read.
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
        CorpusError: A source is missing, or holds nothing of these.
    """
    found: dict[Path, Location] = {}
    for source in sources:
        before = len(found)
        for location in _locations(source):
            found.setdefault(location.path.resolve(), location)
        if len(found) == before and not _locations_exist(source):
            raise CorpusError(
                "there is no wheel, sdist, installed package or project",
                subject=str(source),
                remedy="Name an archive, a site-packages folder, a folder of archives, "
                "or a folder with a pyproject.toml or a licence file",
            )
    return tuple(sorted(found.values(), key=lambda each: each.path.as_posix()))


def _locations_exist(source: Path) -> bool:
    return next(_locations(source), None) is not None


def _locations(source: Path) -> Iterator[Location]:
    if not source.exists():
        raise CorpusError(
            "it does not exist", subject=str(source), remedy="Check the path"
        )
    if source.is_file():
        if (kind := _archive_kind(source)) is not None:
            yield Location(source, kind)
        return
    if installed := sorted(source.glob("*.dist-info")):
        yield from (Location(path, Kind.INSTALLED) for path in installed)
    elif any(next(source.glob(name), None) for name in _PROJECT):
        yield Location(source, Kind.FOLDER)
    else:
        for path in sorted(source.rglob("*")):
            kind = _archive_kind(path)
            if kind is not None and path.is_file():
                yield Location(path, kind)


def _archive_kind(path: Path) -> Kind | None:
    matched = _ARCHIVE.fullmatch(path.name)
    if matched is None:
        return None
    return {".whl": Kind.WHEEL, ".zip": Kind.ZIP}.get(
        matched["suffix"].lower(), Kind.TAR
    )


def _without_top(members: Iterator[Member]) -> Iterator[Member]:
    for member in members:
        _, slash, path = member.path.partition("/")
        if slash:
            yield replace(member, path=path)
