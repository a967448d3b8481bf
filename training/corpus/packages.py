"""Reads packages' metadata, and chooses one version of each with a permissive licence.

Sources: the core metadata of packages, https://packaging.python.org/specifications/
(``METADATA``, ``PKG-INFO``) and the ``[project]`` table of ``pyproject.toml``.
"""

import email.message
import email.parser
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from training.corpus.licences import (
    LicenceRefusedError,
    LicenceStatements,
    choose_licence,
)
from training.corpus.output import Refusal
from training.corpus.sources import DAMAGE, Kind, Location

__all__ = [
    "Metadata",
    "Package",
    "choose_packages",
    "read_metadata",
    "try_metadata",
]

_LARGEST_BYTES = 1024 * 1024
_METADATA_FILES = (
    re.compile(r"[^/]+\.dist-info/METADATA"),
    re.compile(r"PKG-INFO"),
    re.compile(r"pyproject\.toml"),
)
"""The files that name a package, the most reliable first."""

_LICENCE_FILE = re.compile(
    r"([^/]+\.dist-info/)?(licenses/)?(LICEN[CS]E|COPYING|UNLICENSE)[^/]*",
    re.IGNORECASE,
)
_ABOUT_LICENCES = "License ::"
_HOME_LABELS = ("homepage", "home", "source", "repository", "sourcecode", "github")

DAMAGED = "damaged"
NAMELESS = "no name in its metadata"
OLDER = "another version is used"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a package states about itself.

    Attributes:
        name: Canonical name: lower case, with single hyphens.
        version: Version as written; empty if there is none.
        licence: What it states about its licence.
        home_page: URL of its home page; empty if it states none.
    """

    name: str
    version: str
    licence: LicenceStatements
    home_page: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package that is used.

    Attributes:
        name: Canonical name.
        version: Its version.
        licence: SPDX expression under which it is used.
        home_page: URL of its home page; empty if it states none.
        locations: Where it lies; a wheel and an sdist of one version are both read.
    """

    name: str
    version: str
    licence: str
    home_page: str
    locations: tuple[Location, ...]


def try_metadata(location: Location) -> Metadata | Refusal:
    """Read the metadata of one source, or return why it is refused."""
    try:
        metadata = read_metadata(location)
    except DAMAGE:
        return Refusal(reason=DAMAGED, source=location.path.name)
    return metadata or Refusal(reason=NAMELESS, source=location.path.name)


def choose_packages(
    described: Iterable[tuple[Location, Metadata | Refusal]],
) -> tuple[tuple[Package, ...], tuple[Refusal, ...]]:
    """Choose packages, in the order of their names.

    Of several versions the latest is used, whatever its licence: the author may have
    left the licence of an older one on purpose.

    Returns:
        The packages, and the sources that were refused.
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
        latest = max(_version_key(metadata) for _, metadata in group)
        used = [pair for pair in group if _version_key(pair[1]) == latest]
        refusals += [
            Refusal(reason=OLDER, source=location.path.name)
            for location, metadata in group
            if _version_key(metadata) != latest
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
    """Return the package of some sources, none of which may be refused."""
    # By name first, so that the folders above do not change the corpus.
    used = sorted(used, key=lambda pair: (pair[0].path.name, pair[0].path.as_posix()))
    licences = [choose_licence(metadata.licence) for _, metadata in used]
    first = used[0][1]
    return Package(
        name=first.name,
        version=first.version,
        licence=licences[0],
        home_page=next((m.home_page for _, m in used if m.home_page), ""),
        locations=tuple(location for location, _ in used),
    )


def _version_key(metadata: Metadata) -> tuple[bool, Version, str]:
    """Return a key that sorts versions; invalid ones come first, by their text."""
    try:
        return True, Version(metadata.version), ""
    except InvalidVersion:
        return False, Version("0"), metadata.version


def read_metadata(location: Location) -> Metadata | None:
    """Read a package's name, version, licence and home page.

    Returns:
        The metadata; None if it has no name.

    Raises:
        DAMAGE: One of these, when the source cannot be read.
    """
    contents: dict[int, str] = {}
    texts: dict[str, str] = {}
    for member in location.members():
        rank = _rank(member.path)
        if rank is not None:
            content = member.read(_LARGEST_BYTES).decode("utf-8", "replace")
            contents.setdefault(rank, content)
        elif _LICENCE_FILE.fullmatch(member.path):
            content = member.read(_LARGEST_BYTES).decode("utf-8", "replace")
            texts[member.path] = content
    licence_texts = tuple(text for _, text in sorted(texts.items()))
    for rank, content in sorted(contents.items()):
        is_project = rank == len(_METADATA_FILES) - 1
        read = _from_project if is_project else _from_headers
        if (metadata := read(content, licence_texts)) is not None:
            return metadata
    if location.kind is Kind.FOLDER:
        return Metadata(
            name=canonicalize_name(location.path.resolve().name),
            version="",
            licence=LicenceStatements(texts=licence_texts),
        )
    return None


def _rank(path: str) -> int | None:
    for rank, pattern in enumerate(_METADATA_FILES):
        if pattern.fullmatch(path):
            return rank
    return None


def _from_headers(content: str, licence_texts: tuple[str, ...]) -> Metadata | None:
    message = email.parser.HeaderParser().parsestr(content)
    name = _header(message, "Name")
    if not name:
        return None
    links = {
        label.strip(): url.strip()
        for label, comma, url in (
            str(value).partition(",") for value in message.get_all("Project-URL", [])
        )
        if comma
    }
    return Metadata(
        name=canonicalize_name(name),
        version=_header(message, "Version"),
        licence=LicenceStatements(
            expression=_header(message, "License-Expression"),
            field=_header(message, "License"),
            classifiers=_about_licences(message.get_all("Classifier", [])),
            texts=licence_texts,
        ),
        home_page=_header(message, "Home-page") or _home_page(links),
    )


def _header(message: email.message.Message, name: str) -> str:
    value = str(message.get(name, "")).strip()
    return "" if value.upper() == "UNKNOWN" else value


def _from_project(content: str, licence_texts: tuple[str, ...]) -> Metadata | None:
    try:
        project = tomllib.loads(content).get("project")
    except tomllib.TOMLDecodeError:
        return None
    if not isinstance(project, dict) or not _text(project, "name"):
        return None
    licence = project.get("license")
    urls = project.get("urls")
    classifiers = project.get("classifiers")
    return Metadata(
        name=canonicalize_name(_text(project, "name")),
        version=_text(project, "version"),
        licence=LicenceStatements(
            expression=licence if isinstance(licence, str) else "",
            field=_text(licence, "text") if isinstance(licence, dict) else "",
            classifiers=_about_licences(
                classifiers if isinstance(classifiers, list) else ()
            ),
            texts=licence_texts,
        ),
        home_page=_home_page(urls) if isinstance(urls, dict) else "",
    )


def _text(table: Mapping[str, object], key: str) -> str:
    value = table.get(key)
    return value.strip() if isinstance(value, str) else ""


def _about_licences(classifiers: Iterable[object]) -> tuple[str, ...]:
    stripped = {str(each).strip() for each in classifiers}
    return tuple(sorted(s for s in stripped if s.startswith(_ABOUT_LICENCES)))


def _home_page(links: Mapping[str, object]) -> str:
    """Return the link that is labelled as the home page, or else the first."""
    plain = {
        re.sub(r"[^a-z]", "", label.lower()): str(url) for label, url in links.items()
    }
    for label in _HOME_LABELS:
        if label in plain:
            return plain[label]
    return next(iter(plain.values()), "")
