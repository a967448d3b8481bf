"""``midfill complete``: one completion, asked for as an editor asks."""

import argparse
import asyncio
import json
import os
import sys

from lsp_server.commands.display import as_json, ghost_text, palette, times
from lsp_server.commands.editing import Place, ask_at, parse_place, ready_editor

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "places",
        nargs="+",
        type=_place,
        metavar="FILE:LINE:COL",
        help="where to complete; lines and columns count from 1, as editors show them",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object for each completion"
    )
    parser.add_argument(
        "--count",
        type=int,
        default=1,
        metavar="N",
        help="ask N times at each place: from the second time on the engine is warm",
    )
    parser.add_argument("--config", metavar="FILE", help="a TOML file with settings")
    parser.add_argument(
        "--model",
        metavar="NAME|FOLDER",
        help="a shipped or pulled model, or a model folder (the setting model.path)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Complete at every place, print, and give the exit status."""
    asyncio.run(_complete_all(arguments))
    return 0


async def _complete_all(arguments: argparse.Namespace) -> None:
    places: list[Place] = arguments.places
    serve_arguments = [
        word
        for option, value in (
            ("--config", arguments.config),
            ("--model", arguments.model),
        )
        if value
        for word in (option, value)
    ]
    look = palette(os.environ)
    async with ready_editor(serve_arguments) as client:
        for place in places:
            for _ in range(arguments.count):
                text, offset, answer = await ask_at(client, place)
                if arguments.json:
                    line = json.dumps(as_json(place, answer), ensure_ascii=False)
                    sys.stdout.write(line + "\n")
                else:
                    shown = ghost_text(text, offset, answer, look)
                    sys.stdout.write(f"{shown}\n    {times(answer)}\n")
                sys.stdout.flush()


def _place(text: str) -> Place:
    """Read a place for argparse."""
    try:
        return parse_place(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form FILE:LINE:COL, such as app.py:12:5"
        ) from None
