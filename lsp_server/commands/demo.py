"""``midfill demo``: completions at the marked cursors of the example files."""

import argparse
import asyncio
import json
import os
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lsp_server.commands.display import as_json, ghost_text, palette, times
from lsp_server.commands.editing import Place, ask_at, ready_editor
from lsp_server.errors import ClientError
from lsp_server.protocol.client_answer import Answer

__all__ = ["Cursor", "add_arguments", "read_cursors", "run"]

Render = Callable[["Cursor", str, int, Answer], str]

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
    """Complete at every marked cursor, print, and give the exit status."""
    render = _json_line if arguments.json else _paragraph
    asyncio.run(_show(read_cursors(arguments.examples), render))
    return 0


async def _show(cursors: list[Cursor], render: Render) -> None:
    async with ready_editor([]) as client:
        for cursor in cursors:
            text, offset, answer = await ask_at(client, cursor.place)
            sys.stdout.write(render(cursor, text, offset, answer))
            sys.stdout.flush()


def _json_line(cursor: Cursor, _text: str, _offset: int, answer: Answer) -> str:
    row = {"about": cursor.about, **as_json(cursor.place, answer)}
    return json.dumps(row, ensure_ascii=False) + "\n"


def _paragraph(cursor: Cursor, text: str, offset: int, answer: Answer) -> str:
    shown = ghost_text(text, offset, answer, palette(os.environ))
    place = cursor.place
    return (
        f"\n{place.path.name}:{place.line}  {cursor.about}\n"
        f"{shown}\n    {times(answer)}\n"
    )
