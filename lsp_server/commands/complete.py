"""``midfill complete``: completions at places in files, asked for as an editor does."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from lsp_server.client.documents import Answer
from lsp_server.commands.display import has_colours, paint
from lsp_server.commands.editing import (
    Place,
    Target,
    ask_at,
    name_of_model,
    parse_place,
    read_target,
    ready_editor,
    run_until_signal,
)
from lsp_server.commands.terminal import positive, printable
from lsp_server.errors import AnswerError, ClientError
from lsp_server.protocol.lines import split_lines, without_line_end

__all__ = [
    "add_arguments",
    "as_json",
    "ghost_text",
    "json_line",
    "paragraph",
    "run",
    "times",
]


_SHOWN_CHARS = 200
"""Most of the cursor's line that is shown on either side of it."""


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
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file with settings"
    )
    parser.add_argument(
        "--model",
        metavar="NAME|FOLDER",
        help="a shipped or pulled model, or a model folder (the setting model.path)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Complete at every place, print, and return the exit status.

    Every place is looked up before the model is loaded; those that do not exist are
    reported, and the others completed.

    Returns:
        0 if every place was completed, else 1.

    Raises:
        ModelError: The model that is named is not there.
    """
    targets, failures = _existing(arguments.places)
    if targets:
        named, config_file = arguments.model, arguments.config
        model = name_of_model(named, config_file) if named else ""
        run_until_signal(_complete_all(targets, arguments, failures, model))
    return 1 if failures else 0


def _existing(places: list[Place]) -> tuple[list[Target], list[ClientError]]:
    """Return the places that exist, and the errors of those that do not."""
    targets: list[Target] = []
    failures: list[ClientError] = []
    for place in places:
        try:
            targets.append(read_target(place))
        except ClientError as error:
            _report(error)
            failures.append(error)
    return targets, failures


async def _complete_all(
    targets: list[Target],
    arguments: argparse.Namespace,
    failures: list[ClientError],
    model: str,
) -> None:
    """Complete at every target, and collect the failures of single completions."""
    coloured = has_colours(sys.stdout)
    async with ready_editor(_serve_arguments(arguments), model=model) as client:
        for target in targets:
            for _ in range(arguments.count):
                try:
                    answer = await ask_at(client, target)
                except AnswerError as error:
                    _report(error)
                    failures.append(error)
                    continue
                sys.stdout.write(
                    json_line(as_json(target.place, answer))
                    if arguments.json
                    else paragraph(target, answer, coloured=coloured)
                )
                sys.stdout.flush()


def _serve_arguments(arguments: argparse.Namespace) -> list[str]:
    """Return the arguments that the server is started with."""
    options = (("--config", arguments.config), ("--model", arguments.model))
    return [w for option, value in options if value for w in (option, str(value))]


def paragraph(target: Target, answer: Answer, *, coloured: bool) -> str:
    """Return a completion in its line, and below it what it cost."""
    shown = ghost_text(target.text, target.offset, answer, coloured=coloured)
    return f"{shown}\n    {times(answer)}\n"


def ghost_text(text: str, offset: int, answer: Answer, *, coloured: bool) -> str:
    """Return the cursor's line with the suggestion in it, as an editor shows it."""
    # The first line after the cursor is the rest of the cursor's line.
    before = split_lines(text[:offset])[-1]
    after = without_line_end(split_lines(text[offset:])[0])
    # Of generated code a line may have megabytes.
    if len(before) > _SHOWN_CHARS:
        before = "..." + before[-_SHOWN_CHARS:]
    if len(after) > _SHOWN_CHARS:
        after = after[:_SHOWN_CHARS] + "..."
    suggestion = answer.suggestions[0].text if answer.suggestions else ""
    ghost = printable(suggestion) or "nothing to suggest"
    marked = paint(ghost, "bold green") if coloured else f"[{ghost}]"
    return f"{printable(before)}{marked}{printable(after)}"


def times(answer: Answer) -> str:
    """Return what the completion cost, in one line."""
    cost = answer.timings
    reason = f" {answer.reason}" if answer.reason else ""
    if cost is None:
        return f"no completion, {answer.round_trip_ms:.0f} ms.{reason}"
    first = "no token" if cost.ttft_ms is None else f"{cost.ttft_ms:.0f} ms"
    return (
        f"first token {first}, total {answer.round_trip_ms:.0f} ms, "
        f"{cost.prompt_tokens} prompt tokens ({cost.cached_tokens} cached), "
        f"{cost.output_tokens} output tokens{reason and '.'}{reason}"
    )


def json_line(row: Mapping[str, object]) -> str:
    """Return one object as a line of JSON, in ASCII.

    ASCII is read the same in every locale, and no control character of a source file
    reaches a terminal.
    """
    return json.dumps(row).replace("\x7f", "\\u007f") + "\n"


def as_json(place: Place, answer: Answer) -> dict[str, object]:
    """Return everything about one completion as JSON values, times in milliseconds."""
    cost = answer.timings
    return {
        "file": str(place.path),
        "line": place.line,
        "column": place.column,
        "suggestions": [suggestion.text for suggestion in answer.suggestions],
        "reason": answer.reason,
        "ttft_ms": cost and cost.ttft_ms,
        "total_ms": cost and cost.total_ms,
        "round_trip_ms": answer.round_trip_ms,
        "prompt_tokens": cost and cost.prompt_tokens,
        "cached_tokens": cost and cost.cached_tokens,
        "output_tokens": cost and cost.output_tokens,
        "source": cost and cost.source.value,
    }


def _report(error: ClientError) -> None:
    """Report what is wrong with one place."""
    sys.stderr.write(printable(f"midfill complete: {error}\n"))


def _place(text: str) -> Place:
    """Read a place for argparse."""
    try:
        return parse_place(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form FILE:LINE:COL, such as app.py:12:5"
        ) from None
