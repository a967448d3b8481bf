"""How a completion looks on a terminal, and in JSON."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from lsp_server.commands.editing import Place
from lsp_server.protocol.client_answer import Answer

__all__ = ["COLOURS", "MARKS", "Palette", "as_json", "ghost_text", "palette", "times"]


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
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    before, after = text[start:offset], text[offset : end if end >= 0 else len(text)]
    suggestion = answer.suggestions[0].text if answer.suggestions else ""
    if not suggestion:
        return f"{before}{look.ghost}nothing to suggest{look.plain}{after}"
    return f"{before}{look.ghost}{suggestion}{look.plain}{after}"


def times(answer: Answer) -> str:
    """Tell what the completion cost, in one line."""
    cost = answer.timings
    if cost is None:
        reason = f" {answer.reason}" if answer.reason else ""
        return f"no completion, {answer.round_trip_ms:.0f} ms.{reason}"
    first = "no token" if cost.ttft_ms is None else f"{cost.ttft_ms:.0f} ms"
    return (
        f"first token {first}, total {answer.round_trip_ms:.0f} ms, "
        f"{cost.prompt_tokens} prompt tokens ({cost.cached_tokens} cached), "
        f"{cost.output_tokens} output tokens"
    )


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
