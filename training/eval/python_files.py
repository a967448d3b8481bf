"""Reads the Python files of a folder, and finds out which package each is of."""

import os
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from lsp_server.errors import EvaluationError
from training.eval.documents import Document, canonical
from training.eval.installed import InstalledPackages

__all__ = ["read_folders"]

_SKIPPED = frozenset(
    {"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"}
)
_LARGEST_BYTES = 1024 * 1024
"""A larger file is data, or was written by a program."""

_REMEDY = "name a folder with Python files with --source"


def read_folders(folders: Sequence[Path]) -> Iterator[Document]:
    """Return every readable Python file below the folders, in the order of their paths.

    Hidden folders, environments and build results are left out, and links are not
    followed. What is not UTF-8 is passed over.

    Raises:
        EvaluationError: A folder does not exist.
    """
    installed, projects = InstalledPackages(), _Projects()
    for folder in folders:
        if not folder.is_dir():
            raise EvaluationError(
                "there is no such folder", subject=str(folder), remedy=_REMEDY
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


def _python_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in _SKIPPED
            and not Path(parent, name, "pyvenv.cfg").exists()
        )
        for name in sorted(names):
            path = Path(parent, name)
            if name.endswith(".py") and path.is_file() and not path.is_symlink():
                yield path


def _read(path: Path) -> str | None:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            return None
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


class _Projects:
    """Knows the names of projects, once it was asked."""

    def __init__(self) -> None:
        self._known: dict[Path, str | None] = {}

    def name_of(self, folder: Path) -> str | None:
        """Return the name of the project that a folder lies in; None without a name."""
        whole = folder.resolve()
        if whole not in self._known:
            name = _name_in_pyproject(whole / "pyproject.toml") or _name_in_metadata(
                whole / "PKG-INFO"
            )
            is_root = whole.parent == whole
            above = None if name or is_root else self.name_of(whole.parent)
            self._known[whole] = canonical(name) if name else above
        return self._known[whole]


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
    # The head ends at the first blank line; what follows is a description.
    for line in lines:
        if not line.strip():
            return None
        key, _, value = line.partition(":")
        if key == "Name":
            return value.strip()
    return None
