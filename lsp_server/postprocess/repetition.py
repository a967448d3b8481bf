"""Finds text that goes round in circles."""

from lsp_server.postprocess.surroundings import preceding_lines
from lsp_server.values import CompletionScope, Snapshot

__all__ = ["drop_repetition", "repeated_from"]

_LONGEST_CYCLE_LINES = 4
_LINE_TURNS = 3
"""Lines that come this often in the same order go in a circle."""

_LEAST_CYCLE_CHARS = 3
_LONG_CYCLE_CHARS = 10
_SHORT_CYCLE_TURNS = 6
_LONG_CYCLE_TURNS = 4
"""How often a unit of characters must come at the end to be a circle.

Source: the thresholds of TabbyML/tabby's repetition filter.
"""

_LEAST_TELLING_CHARS = 8
"""A shorter line may well stand twice in a row."""


def drop_repetition(text: str, near: Snapshot, scope: CompletionScope) -> str | None:
    """Drop a text that ends in a circle, or a line that says the one above again."""
    if _ends_in_circle(text) or _ends_in_circle(text.rstrip()):
        return None
    if scope is CompletionScope.LINE and _is_line_above(text, near):
        return None
    return text


def repeated_from(text: str) -> int | None:
    """Give where the second turn of a circle of lines begins; None where none is.

    Only lines whose end was written count, and blank ones alone make no circle.
    """
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    for first in range(len(lines)):
        for length in range(1, _LONGEST_CYCLE_LINES + 1):
            turns = lines[first : first + length * _LINE_TURNS]
            cycle = turns[:length]
            if "".join(cycle).strip() and turns == cycle * _LINE_TURNS:
                return sum(map(len, lines[: first + length]))
    return None


def _ends_in_circle(text: str) -> bool:
    for length in range(_LEAST_CYCLE_CHARS, len(text) // _LONG_CYCLE_TURNS + 1):
        cycle = text[-length:]
        if len(set(cycle)) == 1:
            continue  # a ruler of dashes or a run of blanks is meant
        is_long = length >= _LONG_CYCLE_CHARS
        turns = _LONG_CYCLE_TURNS if is_long else _SHORT_CYCLE_TURNS
        if text.endswith(cycle * turns):
            return True
    return False


def _is_line_above(text: str, near: Snapshot) -> bool:
    line = (near.line_before + text).strip()
    above = next((each for each in preceding_lines(near) if each.strip()), "")
    return len(line) >= _LEAST_TELLING_CHARS and line == above.strip()
