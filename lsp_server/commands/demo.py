"""``midfill demo``: completions at the marked cursors of the example files."""

import argparse
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lsp_server.client.answer import Answer
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
        ClientError: The folder has no ``cursors.toml`` of the right form.
    """
    path = folder / "cursors.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return [
            Cursor(
                about=str(entry["about"]),
                place=Place(
                    path=folder / str(entry["file"]),
                    line=int(entry["line"]),
                    column=int(entry["column"]),
                ),
            )
            for entry in table["cursor"]
        ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ClientError(
            f"the examples cannot be read ({type(error).__name__}: {error})",
            subject=str(path),
            remedy="Run the demo in a checkout of Midfill, or name --examples",
        ) from error


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
