"""Which mappings and lists of YAML are open at a cursor, and how they are indented.

An entry is a dash or a key: its column, and whether it is a dash.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from lsp_server.context.cursor import CursorContext, indentation_of

__all__ = [
    "Entry",
    "Style",
    "enter",
    "entries_above",
    "entries_of",
    "is_left_by",
    "may_follow",
    "opens",
    "style_of",
]

Entry: TypeAlias = tuple[int, bool]

_DASH = re.compile(r"-(?:[ ]+|$)")
_KEY = re.compile(
    r"""(?:[&!]\S*[ ]+)*(?:"(?:[^"\\]|\\.)*"[ ]*|'[^']*'[ ]*|[^\s#'"\[\]{},&*!|>%@`]"""
    r"""(?:[^:#]|:(?!\s|$)|(?<!\s)#)*?):(?=\s|$)"""
)
_OPENS = re.compile(r".*(?::|(?<!\S)-)(?:\s+[&!]\S*)*\s*(?:\s#.*)?")
_NEW_DOCUMENT = re.compile(r"(?:---|\.\.\.)(?:\s|$)")

_MAX_LINES = 200
"""How many lines to either side tell what the document is indented with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How many columns right of a key or a dash there stands what belongs to it.

    Attributes:
        keys: From a key to further keys; None where that is not known.
        items: From a key to the items of a list; None where that is not known.
        gap: From a dash to a key behind it; None where that is not known.
    """

    keys: int | None
    items: int | None
    gap: int | None

    def step(self, *, from_list: bool, to_list: bool) -> int | None:
        """Return the step from a level to one within it."""
        if from_list:
            return self.gap
        return self.items if to_list else self.keys


def entries_of(line: str) -> list[Entry]:
    """Return a line's dashes and its key; nothing where it has neither."""
    column, rest = indentation_of(line), line.lstrip(" \t")
    if _NEW_DOCUMENT.match(line):
        return []
    found: list[Entry] = []
    while dash := _DASH.match(rest):
        found.append((column, True))
        column, rest = column + dash.end(), rest[dash.end() :]
    if _KEY.match(rest):
        found.append((column, False))
    return found


def opens(line: str) -> bool:
    """Return whether the value of a line's key or dash stands below it."""
    return _OPENS.fullmatch(line) is not None


def entries_above(cursor: CursorContext) -> list[Entry]:
    """Return what is open above the cursor's line, the outermost first."""
    found: list[Entry] = []
    for line in cursor.lines_above:
        if _NEW_DOCUMENT.match(line):
            break
        for column, is_dash in reversed(entries_of(line)):
            column_of_list = found[0][0] if found and found[0][1] else -1
            is_key_of_list = column == column_of_list and not is_dash and opens(line)
            if not found or column < found[0][0] or is_key_of_list:
                found.insert(0, (column, is_dash))
        if found and found[0] == (0, False):
            break
    return found


def enter(entries: Sequence[Entry], line: str) -> list[Entry]:
    """Return what is open behind a line below the entries."""
    new = entries_of(line)
    kept = list(entries)
    if new:
        while kept and (kept[-1] == new[0] or is_left_by(kept[-1], new[0])):
            kept.pop()
    return kept + new


def is_left_by(level: Entry, entry: Entry) -> bool:
    """Return whether an entry ends a level.

    A list may stand in the column of its key, and ends at the next key.
    """
    return level[0] > entry[0] or (level == (entry[0], True) and not entry[1])


def may_follow(entries: Sequence[Entry], line: str, *, is_opened: bool) -> bool:
    """Return whether a line may stand below the entries.

    Args:
        entries: What is open.
        line: The line.
        is_opened: Whether the last of them has no value yet.
    """
    new = entries_of(line)
    if not new:
        return True
    kept = [each for each in entries if not is_left_by(each, new[0])]
    if kept and kept[-1] == new[0]:
        return True
    return (is_opened and len(kept) == len(entries)) or (not kept and not new[0][0])


def style_of(cursor: CursorContext) -> Style:
    """Return how the document is indented near the cursor."""
    # Below a key at the cursor stands what belongs to it only where that is a list.
    is_list_below = _DASH.match(cursor.code_below.lstrip(" ")) is not None
    here = [cursor.line_before] if is_list_below else []
    above = reversed(cursor.lines_above[:_MAX_LINES])
    lines = (*above, *here, *cursor.lines_below[:_MAX_LINES])
    found = [(opens(line), entries) for line in lines if (entries := entries_of(line))]
    gaps = Counter(
        after[0] - dash[0]
        for _, entries in found
        for dash, after in pairwise(entries)
        if not after[1]
    )
    keys: Counter[int] = Counter()
    items: Counter[int] = Counter()
    for (is_opened, (*_, key)), (_, (inner, *_)) in pairwise(found):
        step = inner[0] - key[0]
        if is_opened and not key[1] and step >= (not inner[1]):
            (items if inner[1] else keys)[step] += 1
    return Style(keys=_commonest(keys), items=_commonest(items), gap=_commonest(gaps))


def _commonest(steps: Counter[int]) -> int | None:
    """Return the step that is taken most often; None where there is none."""
    return max(steps, key=lambda step: (steps[step], -step)) if steps else None
