"""Reads a suite's data: JSON lines, and Python files with their packages."""

import csv
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lsp_server.errors import EvaluationError
from lsp_server.files import read_json_lines

__all__ = [
    "Document",
    "InstalledPackages",
    "canonical_name",
    "find_files",
    "read_folders",
    "read_texts",
]

_SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"}
)
_MAX_FILE_BYTES = 1024 * 1024
"""A larger Python file is data, or was generated."""

_NAME_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A source file.

    Attributes:
        package: Canonical name of the package that it belongs to; None if unknown.
        turn: Tasks are drawn from files of different turns alternately, so that a
            large package does not dominate.
        path: Its path below the folder that was named.
        text: Its text.
    """

    package: str | None
    turn: str
    path: str
    text: str


def canonical_name(package: str) -> str:
    """Return a package's name as indices compare it. Source: PEP 503."""
    return _NAME_SEPARATORS.sub("-", package).lower()


def find_files(places: Sequence[Path], pattern: str, *, remedy: str) -> list[Path]:
    """Return the named files, and those matching ``pattern`` in the named folders.

    Raises:
        EvaluationError: There is none, or a place does not exist.
    """
    if not places:
        raise EvaluationError("no data is named", subject="--data", remedy=remedy)
    found: list[Path] = []
    for place in places:
        inside = sorted(place.glob(pattern)) if place.is_dir() else [place]
        if not inside or not all(path.is_file() for path in inside):
            raise EvaluationError(
                f"there is no such file, and no {pattern} in a folder of that name",
                subject=str(place),
                remedy=remedy,
            )
        found.extend(inside)
    return list(dict.fromkeys(found))


def read_texts(
    path: Path, keys: Sequence[str], *, remedy: str
) -> Iterator[Mapping[str, str]]:
    """Yield these texts of each line of a file of JSON lines, by their keys.

    Raises:
        EvaluationError: The file cannot be read, or a line lacks one of the texts.
    """
    rows = read_json_lines(path, error=EvaluationError, remedy=remedy, texts=keys)
    for row in rows:
        yield {key: str(row[key]) for key in keys}


def read_folders(folders: Sequence[Path]) -> Iterator[Document]:
    """Yield every readable Python file below the folders, sorted by path.

    Skips hidden folders, environments, build results, links, and files that are not
    UTF-8.

    Raises:
        EvaluationError: A folder does not exist.
    """
    installed, projects = InstalledPackages(), _Projects()
    for folder in folders:
        if not folder.is_dir():
            raise EvaluationError(
                "there is no such folder",
                subject=str(folder),
                remedy="name a folder with Python files with --source",
            )
        for path in _python_files(folder):
            text = _read(path)
            if text is not None:
                yield Document(
                    package=installed.owner_of(path) or projects.name_of(path.parent),
                    turn=path.relative_to(folder).parts[0],
                    path=path.relative_to(folder).as_posix(),
                    text=text,
                )


class InstalledPackages:
    """Finds the installed package that a file belongs to; remembers what it read."""

    def __init__(self) -> None:
        self._owners: dict[Path, Mapping[str, str]] = {}

    def owner_of(self, path: Path) -> str | None:
        """Return the name of the package that installed a file; None if none did."""
        whole = path.resolve()
        for parent in whole.parents:
            if parent.name in {"site-packages", "dist-packages"}:
                if parent not in self._owners:
                    self._owners[parent] = _read_owners(parent)
                return self._owners[parent].get(whole.relative_to(parent).as_posix())
        return None


class _Projects:
    """Finds the project that a folder belongs to; remembers what it read."""

    def __init__(self) -> None:
        self._names: dict[Path, str | None] = {}

    def name_of(self, folder: Path) -> str | None:
        """Return the name of the nearest named project around a folder, if any."""
        whole = folder.resolve()
        if whole not in self._names:
            name = _name_in_pyproject(whole / "pyproject.toml") or _name_in_metadata(
                whole / "PKG-INFO"
            )
            is_root = whole.parent == whole
            above = None if name or is_root else self.name_of(whole.parent)
            self._names[whole] = canonical_name(name) if name else above
        return self._names[whole]


def _read_owners(site_packages: Path) -> Mapping[str, str]:
    """Return the package of each Python file that packages list in their RECORD."""
    owners: dict[str, str] = {}
    for record in sorted(site_packages.glob("*.dist-info/RECORD")):
        name = canonical_name(record.parent.name.partition("-")[0])
        try:
            with record.open(encoding="utf-8", newline="") as rows:
                for row in csv.reader(rows):
                    if row and row[0].endswith(".py"):
                        owners[str(PurePosixPath(row[0]))] = name
        except (OSError, ValueError, csv.Error):
            # The files of this package stay without an owner.
            continue
    return owners


def _python_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in _SKIPPED_FOLDERS
            and not Path(parent, name, "pyvenv.cfg").exists()
        )
        for name in sorted(names):
            path = Path(parent, name)
            if name.endswith(".py") and path.is_file() and not path.is_symlink():
                yield path


def _read(path: Path) -> str | None:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            return None
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _name_in_pyproject(path: Path) -> str | None:
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    match settings:
        case {"project": {"name": str(name)}} | {
            "tool": {"poetry": {"name": str(name)}}
        }:
            return name
        case _:
            return None


def _name_in_metadata(path: Path) -> str | None:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    # The header ends at the first blank line; the description follows.
    for line in lines:
        if not line.strip():
            return None
        key, _, value = line.partition(":")
        if key == "Name":
            return value.strip()
    return None
