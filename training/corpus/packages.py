"""Chooses the packages: one version of each, under a licence that permits it."""

from collections.abc import Iterable
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from training.corpus.licences import LicenceRefusedError, choose_licence
from training.corpus.locations import Location
from training.corpus.members import DAMAGE
from training.corpus.metadata import read_metadata
from training.corpus.values import Metadata

__all__ = ["Package", "Refusal", "choose_packages", "describe"]

DAMAGED = "damaged"
NAMELESS = "no name in its metadata"
OLDER = "another version is used"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package that is used.

    Attributes:
        name: Canonical name.
        version: Its version.
        licence: SPDX expression under which it is used.
        home_page: Where it lives; empty if it does not say.
        locations: Where it lies; a wheel and an sdist of one version are both read.
    """

    name: str
    version: str
    licence: str
    home_page: str
    locations: tuple[Location, ...]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Refusal:
    """One source that is not used.

    Attributes:
        reason: Why not.
        source: Name of the archive or folder, without the folders above it.
    """

    reason: str
    source: str


def describe(location: Location) -> Metadata | Refusal:
    """Read the metadata of one source; damage is a refusal, not an error."""
    try:
        metadata = read_metadata(location)
    except DAMAGE:
        return Refusal(reason=DAMAGED, source=location.path.name)
    return metadata or Refusal(reason=NAMELESS, source=location.path.name)


def choose_packages(
    described: Iterable[tuple[Location, Metadata | Refusal]],
) -> tuple[tuple[Package, ...], tuple[Refusal, ...]]:
    """Choose packages, in the order of their names, and say what was refused.

    Of a package in several versions the latest is used, whatever its licence: an
    older one under another licence would be used against its author's last word.
    """
    refusals: list[Refusal] = []
    by_name: dict[str, list[tuple[Location, Metadata]]] = {}
    for location, found in described:
        if isinstance(found, Refusal):
            refusals.append(found)
        else:
            by_name.setdefault(found.name, []).append((location, found))
    packages: list[Package] = []
    for _, group in sorted(by_name.items()):
        latest = max((metadata for _, metadata in group), key=_version_key)
        used = [pair for pair in group if _version_key(pair[1]) == _version_key(latest)]
        refusals += [
            Refusal(reason=OLDER, source=location.path.name)
            for location, metadata in group
            if _version_key(metadata) != _version_key(latest)
        ]
        try:
            packages.append(_package(used))
        except LicenceRefusedError as exc:
            refusals += [
                Refusal(reason=str(exc), source=location.path.name)
                for location, _ in used
            ]
    return tuple(packages), tuple(sorted(refusals))


def _package(used: list[tuple[Location, Metadata]]) -> Package:
    """Make a package of its sources; none of them may refuse."""
    # By name first, so that the folders above do not change the corpus.
    used = sorted(used, key=lambda pair: (pair[0].path.name, pair[0].path.as_posix()))
    licences = [choose_licence(metadata) for _, metadata in used]
    first = used[0][1]
    return Package(
        name=first.name,
        version=first.version,
        licence=licences[0],
        home_page=next((m.home_page for _, m in used if m.home_page), ""),
        locations=tuple(location for location, _ in used),
    )


def _version_key(metadata: Metadata) -> tuple[bool, Version, str]:
    """Order versions; those that are none come first, by their text."""
    try:
        return True, Version(metadata.version), ""
    except InvalidVersion:
        return False, Version("0"), metadata.version
