"""How a completion looks on a terminal, and in JSON."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from lsp_server.client.answer import Answer
from lsp_server.commands.editing import Place
from lsp_server.commands.terminal import printable
from lsp_server.protocol.convert import split_lines, without_line_end

__all__ = [
    "COLOURS",
    "MARKS",
    "Palette",
    "as_json",
    "ghost_text",
    "json_line",
    "palette",
    "times",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """What goes around the parts of a line.

    Attributes:
        ghost: Before a suggestion.
        dim: Before what is said in passing.
        plain: After either.
    """

    ghost: str
    dim: str
    plain: str


COLOURS = Palette(ghost="\x1b[1;32m", dim="\x1b[2m", plain="\x1b[0m")
MARKS = Palette(ghost="[", dim="", plain="]")


def palette(environment: Mapping[str, str]) -> Palette:
    """Choose colours where they would be seen: a terminal, and no wish against them.

    Source: https://no-color.org
    """
    has_colours = sys.stdout.isatty() and not environment.get("NO_COLOR")
    return COLOURS if has_colours else MARKS


def ghost_text(text: str, offset: int, answer: Answer, look: Palette) -> str:
    """Show the cursor's line with the suggestion in it, as an editor would."""
    # From the cursor on the first line is the rest of the cursor's own.
    before = printable(split_lines(text[:offset])[-1])
    after = printable(without_line_end(split_lines(text[offset:])[0]))
    suggestion = answer.suggestions[0].text if answer.suggestions else ""
    ghost = printable(suggestion) or "nothing to suggest"
    return f"{before}{look.ghost}{ghost}{look.plain}{after}"


def times(answer: Answer) -> str:
    """Tell what the completion cost, in one line."""
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

    So it is read the same in every locale, and no control character of a source file
    reaches a terminal.
    """
    return json.dumps(row).replace("\x7f", "\\u007f") + "\n"


def as_json(place: Place, answer: Answer) -> dict[str, object]:
    """Give everything about one completion as JSON values, times in milliseconds."""
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
    }
