"""What a document is indented with near a cursor."""

from collections import Counter
from itertools import pairwise

from lsp_server.context.cursor import CursorContext, indentation_of

__all__ = ["WIDTHS", "blanks_near", "indents_next", "levels_above", "unit_of"]

WIDTHS = (4, 2, 8, 3)
"""The widths of indentation that people and models write, the commonest first."""

_OPENERS = ("(", "[", "{", ":", ">")
"""What a line ends with whose following lines are indented by a step."""

_MAX_LINES = 200
"""How many lines to either side tell what the document is indented with."""


def levels_above(cursor: CursorContext) -> set[int]:
    """Return the indentations of the line above and of the blocks that it is in."""
    levels: set[int] = set()
    for line in cursor.lines_above[:_MAX_LINES]:
        columns = indentation_of(line)
        if line.strip() and columns < min(levels, default=columns + 1):
            levels.add(columns)
    return levels


def blanks_near(cursor: CursorContext) -> set[str]:
    """Return the blanks that lines near the cursor begin with."""
    near = (*cursor.lines_above[:_MAX_LINES], *cursor.lines_below[:_MAX_LINES])
    return {line[: len(line) - len(line.lstrip(" \t"))] for line in near}


def unit_of(cursor: CursorContext) -> str:
    """Return what one level is indented with near the cursor; empty if unknown.

    The nearest indented line decides between tabs and blanks.
    """
    above = [cursor.line_before, *cursor.lines_above[:_MAX_LINES]]
    below = cursor.lines_below[:_MAX_LINES]
    nearest = next((line for line in (*above, *below) if line[:1] in {" ", "\t"}), "")
    if not nearest:
        return "\t" if cursor.language.prefers_tabs else ""
    if nearest[0] == "\t":
        return "\t"
    lines = [
        line for line in (*reversed(above), *below) if line.strip() and line[0] != "\t"
    ]
    steps = Counter(
        step
        for before, after in pairwise(lines)
        if (step := indentation_of(after) - indentation_of(before)) in WIDTHS
        and indents_next(before, cursor)
    )
    if steps:
        return " " * max(steps, key=lambda step: (steps[step], -step))
    head, line = cursor.code_above, cursor.line_before
    step = indentation_of(line) - indentation_of(head)
    if not line.strip() and step in WIDTHS and indents_next(head, cursor):
        return " " * step  # the cursor's line is all that is indented
    if cursor.language.head and not cursor.language.indents_blocks:
        return ""  # what is indented is a comment's text
    return " " * next((each for each in WIDTHS if indentation_of(nearest) == each), 0)


def indents_next(line: str, cursor: CursorContext) -> bool:
    """Return whether the lines behind this one are indented by a step."""
    return line.rstrip().endswith(_OPENERS) or cursor.language.opens_block(line)
