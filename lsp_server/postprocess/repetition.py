"""Finds text that goes round in circles."""

from collections.abc import Sequence

from lsp_server.postprocess.surroundings import preceding_lines
from lsp_server.values import CompletionScope, Snapshot

__all__ = ["drop_endless_run", "drop_repetition", "repeated_from"]

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

_LEAST_LINES_TO_JUDGE = 6
"""From so many lines on, no more than half of them may have been there before."""

_LEAST_RUN_CHARS = 20
"""A run of one character that is this long when the generation breaks off is endless;
one that the model itself ended is a ruler."""


def drop_repetition(text: str, near: Snapshot, scope: CompletionScope) -> str | None:
    """Drop a text that ends in a circle, or a line that says the one above again."""
    if _ends_in_circle(text) or _ends_in_circle(text.rstrip()):
        return None
    if scope is CompletionScope.LINE and _is_line_above(text, near):
        return None
    return text


def drop_endless_run(text: str, near: Snapshot, scope: CompletionScope) -> str | None:
    """Drop a text that was broken off in the midst of one character, over and over."""
    del near, scope
    is_run = text.endswith(text[-1:] * _LEAST_RUN_CHARS) and not text[-1:].isspace()
    return None if is_run else text


def repeated_from(text: str) -> int | None:
    """Give where ``text`` begins to say the same again; None where it does not.

    That is the second turn of a circle of lines, or the first line that came again
    where there is hardly another. Only lines whose end was written count. The answer
    does not change with what comes behind.
    """
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    for count in range(1, len(lines) + 1):
        kept = _lines_before_circle(lines[:count])
        if kept is None:
            kept = _lines_before_repeats(lines[:count])
        if kept is not None:
            return sum(map(len, lines[:kept]))
    return None


def _lines_before_circle(lines: Sequence[str]) -> int | None:
    """Count the lines up to the second turn, where ``lines`` end in a circle.

    Blank lines alone make no circle.
    """
    for length in range(1, _LONGEST_CYCLE_LINES + 1):
        turns = lines[-length * _LINE_TURNS :]
        cycle = turns[:length]
        if "".join(cycle).strip() and turns == [*cycle] * _LINE_TURNS:
            return len(lines) - length * (_LINE_TURNS - 1)
    return None


def _lines_before_repeats(lines: Sequence[str]) -> int | None:
    """Count the lines before the first repeated one, where half or more repeat.

    A ladder of conditions with one outcome has more than half of its lines different.
    """
    telling = [line for line in lines if line.strip()]
    if len(telling) < _LEAST_LINES_TO_JUDGE or len(set(telling)) * 2 > len(telling):
        return None
    return next(
        at for at, line in enumerate(lines) if line.strip() and line in lines[:at]
    )


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
