"""Reads what a package says of itself, from whatever kind of source.

Source: the core metadata of packages, https://packaging.python.org/specifications/
(``METADATA``, ``PKG-INFO``) and the ``[project]`` table of ``pyproject.toml``.
"""

import email.message
import email.parser
import re
import tomllib
from collections.abc import Iterable, Mapping

from packaging.utils import canonicalize_name

from training.corpus.locations import Kind, Location
from training.corpus.values import Metadata

__all__ = ["read_metadata"]

_LARGEST_BYTES = 1024 * 1024
_STATEMENTS = (
    re.compile(r"[^/]+\.dist-info/METADATA"),
    re.compile(r"PKG-INFO"),
    re.compile(r"pyproject\.toml"),
)
"""Where a package states its name, the best statement first."""

_LICENCE_FILE = re.compile(
    r"([^/]+\.dist-info/)?(licenses/)?(LICEN[CS]E|COPYING|UNLICENSE)[^/]*",
    re.IGNORECASE,
)
_ABOUT_LICENCES = "License ::"
_HOME_LABELS = ("homepage", "home", "source", "repository", "sourcecode", "github")


def read_metadata(location: Location) -> Metadata | None:
    """Read a package's name, version, licence and home page.

    Returns:
        What it says; None if it has no name.

    Raises:
        DAMAGE: One of these, when the source cannot be read.
    """
    statements: dict[int, str] = {}
    texts: dict[str, str] = {}
    for member in location.members():
        rank = _rank(member.path)
        if rank is not None:
            content = member.read(_LARGEST_BYTES).decode("utf-8", "replace")
            statements.setdefault(rank, content)
        elif _LICENCE_FILE.fullmatch(member.path):
            content = member.read(_LARGEST_BYTES).decode("utf-8", "replace")
            texts[member.path] = content
    licence_texts = tuple(text for _, text in sorted(texts.items()))
    for rank, content in sorted(statements.items()):
        is_project = rank == len(_STATEMENTS) - 1
        read = _from_project if is_project else _from_headers
        if (metadata := read(content, licence_texts)) is not None:
            return metadata
    if location.kind is Kind.FOLDER:
        return Metadata(
            name=canonicalize_name(location.path.resolve().name),
            version="",
            licence_texts=licence_texts,
        )
    return None


def _rank(path: str) -> int | None:
    for rank, pattern in enumerate(_STATEMENTS):
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
        expression=_header(message, "License-Expression"),
        licence=_header(message, "License"),
        classifiers=_about_licences(message.get_all("Classifier", [])),
        licence_texts=licence_texts,
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
        expression=licence if isinstance(licence, str) else "",
        licence=_text(licence, "text") if isinstance(licence, dict) else "",
        classifiers=_about_licences(classifiers)
        if isinstance(classifiers, list)
        else (),
        licence_texts=licence_texts,
        home_page=_home_page(urls) if isinstance(urls, dict) else "",
    )


def _text(table: Mapping[str, object], key: str) -> str:
    value = table.get(key)
    return value.strip() if isinstance(value, str) else ""


def _about_licences(classifiers: Iterable[object]) -> tuple[str, ...]:
    return tuple(
        sorted(
            {
                each.strip()
                for each in map(str, classifiers)
                if each.strip().startswith(_ABOUT_LICENCES)
            }
        )
    )


def _home_page(links: Mapping[str, object]) -> str:
    """Choose the link that names the package's home, or else the first."""
    plain = {
        re.sub(r"[^a-z]", "", label.lower()): str(url) for label, url in links.items()
    }
    for label in _HOME_LABELS:
        if label in plain:
            return plain[label]
    return next(iter(plain.values()), "")
