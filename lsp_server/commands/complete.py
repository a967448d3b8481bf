"""``midfill complete``: one completion, asked for as an editor asks."""

import argparse
import os
import sys

from lsp_server.client.answer import Answer
from lsp_server.commands.display import (
    Palette,
    as_json,
    ghost_text,
    json_line,
    palette,
    times,
)
from lsp_server.commands.editing import (
    Place,
    Target,
    ask_at,
    parse_place,
    read_target,
    ready_editor,
    run_until_signal,
)
from lsp_server.commands.terminal import positive, printable
from lsp_server.errors import AnswerError, ClientError

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
        type=positive,
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
    """Complete at every place, print, and return the exit status.

    Every place is looked up before the model is loaded; those that do not exist are
    told, and the others completed.

    Returns:
        0 if every place was completed, else 1.
    """
    targets, failures = _existing(arguments.places)
    if targets:
        run_until_signal(_complete_all(targets, arguments, failures))
    return 1 if failures else 0


def _existing(places: list[Place]) -> tuple[list[Target], list[ClientError]]:
    """Find the places that exist, and tell which do not."""
    targets: list[Target] = []
    failures: list[ClientError] = []
    for place in places:
        try:
            targets.append(read_target(place))
        except ClientError as error:
            _tell(error)
            failures.append(error)
    return targets, failures


async def _complete_all(
    targets: list[Target], arguments: argparse.Namespace, failures: list[ClientError]
) -> None:
    """Complete at every target, and collect the failures of single completions."""
    look = palette(os.environ)
    async with ready_editor(_serve_arguments(arguments)) as client:
        for target in targets:
            for _ in range(arguments.count):
                try:
                    answer = await ask_at(client, target)
                except AnswerError as error:
                    _tell(error)
                    failures.append(error)
                    continue
                sys.stdout.write(
                    json_line(as_json(target.place, answer))
                    if arguments.json
                    else _paragraph(target, answer, look)
                )
                sys.stdout.flush()


def _serve_arguments(arguments: argparse.Namespace) -> list[str]:
    """Return what the server is started with."""
    options = (("--config", arguments.config), ("--model", arguments.model))
    return [word for option, value in options if value for word in (option, value)]


def _paragraph(target: Target, answer: Answer, look: Palette) -> str:
    shown = ghost_text(target.text, target.offset, answer, look)
    return f"{shown}\n    {times(answer)}\n"


def _tell(error: ClientError) -> None:
    """Say what is wrong with one place."""
    sys.stderr.write(printable(f"midfill complete: {error}\n"))


def _place(text: str) -> Place:
    """Read a place for argparse."""
    try:
        return parse_place(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form FILE:LINE:COL, such as app.py:12:5"
        ) from None
