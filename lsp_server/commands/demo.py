"""``midfill demo``: completions at the marked cursors of the example files."""

import argparse
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from lsp_server.client.documents import Answer, read_source
from lsp_server.commands.complete import as_json, json_line, paragraph
from lsp_server.commands.display import has_colours
from lsp_server.commands.editing import (
    Place,
    Target,
    ask_at,
    read_target,
    ready_editor,
    run_until_signal,
)
from lsp_server.commands.terminal import printable
from lsp_server.errors import ClientError

__all__ = ["Cursor", "add_arguments", "read_cursors", "run"]

Render = Callable[["Cursor", Target, Answer], str]

_KEYS = MappingProxyType({"about": str, "file": str, "line": int, "column": int})

_EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A marked cursor.

    Attributes:
        about: What the place shows, in a few words.
        place: Where it is.
    """

    about: str
    place: Place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object for each completion"
    )
    parser.add_argument(
        "--examples",
        type=Path,
        default=_EXAMPLES,
        metavar="FOLDER",
        help="a folder with Python files and a cursors.toml",
    )


def read_cursors(folder: Path) -> list[Cursor]:
    """Read the marked cursors of a folder.

    Raises:
        ClientError: The folder's ``cursors.toml`` cannot be read, or is wrong.
    """
    path = folder / "cursors.toml"
    try:
        table = tomllib.loads(read_source(path))
    except tomllib.TOMLDecodeError as error:
        raise _wrong(path, f"it is not TOML ({error})") from error
    entries = table.get("cursor")
    if not isinstance(entries, list) or not entries:
        raise _wrong(path, "it has no [[cursor]]")
    return [
        _cursor(path, number, entry) for number, entry in enumerate(entries, start=1)
    ]


def _cursor(path: Path, number: int, entry: object) -> Cursor:
    """Read one marked cursor.

    Raises:
        ClientError: A key is missing, or of another type.
    """
    values = entry if isinstance(entry, dict) else {}
    for key, kind in _KEYS.items():
        if type(values.get(key)) is not kind:
            wanted = "a text" if kind is str else "a whole number"
            raise _wrong(path, f"[[cursor]] number {number} needs {key}, {wanted}")
    return Cursor(
        about=values["about"],
        place=Place(
            path=path.parent / values["file"],
            line=values["line"],
            column=values["column"],
        ),
    )


def _wrong(path: Path, what: str) -> ClientError:
    """Make the error about a file of cursors."""
    return ClientError(
        what,
        subject=str(path),
        remedy="Correct it, or name another folder with --examples",
    )


def run(arguments: argparse.Namespace) -> int:
    """Complete at every marked cursor, print, and return the exit status."""
    render = _json_row if arguments.json else _paragraph
    cursors = read_cursors(arguments.examples)
    targets = [read_target(cursor.place) for cursor in cursors]
    run_until_signal(_show(list(zip(cursors, targets, strict=True)), render))
    return 0


async def _show(cursors: list[tuple[Cursor, Target]], render: Render) -> None:
    async with ready_editor([]) as client:
        for cursor, target in cursors:
            answer = await ask_at(client, target)
            sys.stdout.write(render(cursor, target, answer))
            sys.stdout.flush()


def _json_row(cursor: Cursor, _target: Target, answer: Answer) -> str:
    return json_line({"about": cursor.about, **as_json(cursor.place, answer)})


def _paragraph(cursor: Cursor, target: Target, answer: Answer) -> str:
    place = cursor.place
    head = f"\n{place.path.name}:{place.line}  {printable(cursor.about)}\n"
    return head + paragraph(target, answer, coloured=has_colours(sys.stdout))
