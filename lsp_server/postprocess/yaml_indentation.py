"""Brings the lines of generated YAML into the document's own columns.

A line of YAML belongs to whatever stands in its column above it, so a text that was
written with other widths breaks a file, or says something else in it. Its lines are
followed here as the levels that they open and close, in the model's columns and in the
document's side by side. Where a list's items stand, below their key or deeper, is the
document's own too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product, zip_longest

from lsp_server.context.cursor import CursorContext, indentation_of
from lsp_server.language.frames import Frame, Scan
from lsp_server.language.grammar import Kind
from lsp_server.postprocess.yaml_levels import (
    Entry,
    Style,
    enter,
    entries_above,
    entries_of,
    is_left_by,
    may_follow,
    opens,
    style_of,
)

__all__ = ["fit_yaml"]

_WIDTHS = (2, 4, 3, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """A mapping or a list that is open.

    Attributes:
        own: Its column in the document.
        model: Its column in what the model writes.
        is_list: Whether it is a list.
    """

    own: int
    model: int
    is_list: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A generated line.

    Attributes:
        columns: How far it is indented.
        entries: Its dashes and its key; none in a line of another kind, or within a
            bracket or a string over lines.
        rest: What stands behind the blanks and dashes.
    """

    columns: int
    entries: tuple[Entry, ...]
    rest: str

    @property
    def is_opened(self) -> bool:
        """Whether the value of its key or dash stands below it."""
        return opens(self.rest) if self.rest else bool(self.entries)


def fit_yaml(
    lines: Sequence[str], cursor: CursorContext, found: Scan
) -> list[str] | None:
    """Return the lines of a text as the document indents them.

    The model may have meant the columns as they are, or those that the whole file would
    have with another width. In one that is taken each line has its place, so has the
    line below the cursor, and the fewest keys are without a value.

    Args:
        lines: The text's lines.
        cursor: Where it stands.
        found: The scan of the text at the cursor.

    Returns:
        The lines; None if they fit in no way, and would not parse.
    """
    entries, below = entries_above(cursor), cursor.code_below
    head, above = cursor.line_before + lines[0], cursor.code_above
    if cursor.literal is not None:
        below = ""
    elif not may_follow(
        enter(entries, cursor.line_before),
        below,
        is_opened=opens(cursor.line_before if cursor.line_before.strip() else above),
    ):
        below = ""  # it had no place before
    # At the margin the first line's indentation is the model's too.
    given = 0 if not cursor.line_before and lines[0] else 1
    if head.strip() and cursor.literal is None and given:
        entries, above = enter(entries, head), head
    own = style_of(cursor)
    parsed = tuple(_parsed(lines, found))[given:]
    if not given and cursor.literal is not None:
        parsed = tuple(_within_literal(parsed, cursor.literal, cursor))
    best, fewest_empty = None, len(lines) + 1
    for meant in (None, *_styles(own)):
        fitting = _Fitting(_levels(entries, meant), meant, own)
        fitted = fitting.fit(parsed, is_opened=opens(above))
        if fitted is None or not fitting.may_precede(below):
            continue
        if fitting.empty < fewest_empty:
            best, fewest_empty = [*lines[:given], *fitted], fitting.empty
        if not fewest_empty:
            break
    return best


def _styles(own: Style) -> Iterator[Style]:
    """Yield how a model may have meant its columns, the likeliest first."""
    widths = dict.fromkeys((own.keys or 2, *_WIDTHS))
    for keys, items in product(widths, dict.fromkeys((own.items or 0, 0, *widths))):
        for gap in dict.fromkeys((own.gap or 2, 2, keys)):
            yield Style(keys=keys, items=items, gap=gap)


def _parsed(lines: Sequence[str], found: Scan) -> Iterator[_Line]:
    """Yield the lines as what they are."""
    start = 0
    literal, least = None, 0
    for line in lines:
        columns, rest = indentation_of(line), line.lstrip(" \t")
        frames = found.frames_at(start)
        start += len(line) + 1
        is_inner = bool(frames)
        if rest and frames and frames[-1].kind is Kind.HEREDOC:
            if frames[-1] is not literal:
                literal = frames[-1]
                least = columns if literal.start >= 0 else 0
            # A line left of the literal's first ends it, however wide the steps are.
            is_inner = columns >= least
        entries = () if is_inner else tuple(entries_of(line))
        for _ in range(sum(is_dash for _, is_dash in entries)):
            rest = rest.removeprefix("-").lstrip(" ")
        yield _Line(columns=columns, entries=entries, rest=rest)


def _within_literal(
    lines: Sequence[_Line], literal: Frame, cursor: CursorContext
) -> Iterator[_Line]:
    """Yield the lines, those of the literal that the cursor is in far enough right."""
    above, below = map(indentation_of, (cursor.code_above, cursor.code_below))
    first = lines[0].columns
    if above > literal.columns:
        missing = max(0, above - first)
    else:  # the line above is the literal's head
        key, _ = max(entries_of(cursor.code_above), default=(above, False))
        missing = below - first if below > key else max(0, key + 2 - first)
    for line in lines:
        missing = 0 if line.entries else missing
        yield replace(line, columns=line.columns + missing)


def _levels(entries: Sequence[Entry], meant: Style | None) -> list[_Level]:
    """Return the document's levels with the columns that a style would give them.

    Without one they are the document's.
    """
    levels: list[_Level] = []
    for own, is_list in entries:
        model = own
        if levels and meant is not None:
            parent = levels[-1]
            step = meant.step(from_list=parent.is_list, to_list=is_list)
            model = parent.model + (own - parent.own if step is None else step)
        levels.append(_Level(own=own, model=model, is_list=is_list))
    return levels


class _Fitting:
    """One way to read the columns of a text, followed line by line.

    Args:
        levels: What is open at the end of the cursor's line.
        meant: The model's style; None if its columns are the document's.
        own: The document's style.

    Attributes:
        empty: How many keys and dashes have no value so far.
    """

    def __init__(
        self, levels: Sequence[_Level], meant: Style | None, own: Style
    ) -> None:
        self.empty = 0
        self._levels = list(levels)
        self._meant = meant
        self._own = own
        self._is_opened = False

    def fit(self, lines: Sequence[_Line], *, is_opened: bool) -> list[str] | None:
        """Return the lines in the document's columns; None if one has no place.

        Args:
            lines: The lines below the last one of the document.
            is_opened: Whether that ends with a key or a dash without a value.
        """
        self._is_opened = is_opened
        fitted: list[str] = []
        for line in lines:
            if line.entries:
                placed = self._place(line)
                if placed is None:
                    return None
                self._is_opened = line.is_opened
                fitted.append(placed)
            else:
                columns = self._moved(line.columns) if line.rest else 0
                fitted.append(" " * columns + line.rest)
                if line.rest and line.rest[0] != "#":
                    self._is_opened = line.is_opened
        return fitted

    def may_precede(self, below: str) -> bool:
        """Return whether the document's next line may stand below the last one."""
        entries = [(each.own, each.is_list) for each in self._levels]
        return may_follow(entries, below, is_opened=self._is_opened)

    def _moved(self, columns: int) -> int:
        """Return where a line stands that has no level of its own."""
        levels = reversed(self._levels)
        left = (each.own - each.model for each in levels if each.model <= columns)
        return columns + next(left, 0)

    def _place(self, line: _Line) -> str | None:
        """Enter a line's levels, and return it; None if it has no place."""
        levels, first = self._levels, line.entries[0]
        while levels and is_left_by((levels[-1].model, levels[-1].is_list), first):
            levels.pop()
            self.empty += self._is_opened
            self._is_opened = False
        own: int | None = None
        if levels and (levels[-1].model, levels[-1].is_list) == first:
            own = levels.pop().own
            self.empty += self._is_opened
        elif levels and self._is_opened:
            own = self._within(levels[-1], first)
        elif not levels and not first[0]:
            own = 0
        if own is None:
            return None
        placed = " " * own
        for (column, is_dash), after in zip_longest(line.entries, line.entries[1:]):
            levels.append(_Level(own=own, model=column, is_list=is_dash))
            if is_dash:
                gap = after[0] - column if after else 2
                if after and not after[1]:
                    gap = self._own.gap or gap
                placed += "-" + " " * (gap - 1)
                own += gap
        return placed + line.rest if line.rest else placed.rstrip(" ")

    def _within(self, parent: _Level, entry: Entry) -> int | None:
        """Return the column of what belongs to a level; None if it is not meant so."""
        column, is_list = entry
        step = column - parent.model
        if self._meant is not None:
            meant = self._meant.step(from_list=parent.is_list, to_list=is_list)
            if meant not in {None, step}:
                return None
        own = self._own.step(from_list=parent.is_list, to_list=is_list)
        if own is None and is_list and step:
            own = self._own.keys
        return parent.own + (step if own is None else own)
