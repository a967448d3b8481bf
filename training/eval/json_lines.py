"""Reads gzipped JSON lines that may be anything at all."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lsp_server.errors import EvaluationError
from lsp_server.files import read_json_lines

__all__ = ["find_files", "read_lines", "text_of"]


def find_files(places: Sequence[Path], pattern: str, *, remedy: str) -> list[Path]:
    """Give the files named, and those of this pattern in the folders named.

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


def read_lines(path: Path) -> Iterator[Mapping[str, object]]:
    """Give the object of each line.

    Raises:
        EvaluationError: The file cannot be read, or a line is no JSON object.
    """
    return read_json_lines(path, error=EvaluationError, remedy="get the file again")


def text_of(row: Mapping[str, object], key: str, path: Path) -> str:
    """Give a text of a line's object.

    Raises:
        EvaluationError: There is none of this name.
    """
    value = row.get(key)
    if not isinstance(value, str):
        raise EvaluationError(
            f"a line has no text named {key!r}",
            subject=str(path),
            remedy="name data of this suite with --data",
        )
    return value
