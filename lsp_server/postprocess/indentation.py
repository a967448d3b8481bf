"""The filters that bring generated indentation into the document's own.

A model indents with four blanks where the document has tabs, or repeats blanks that are
typed already. Lines within strings and comments stay as they are.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lsp_server.context.cursor import CursorContext, indentation_of
from lsp_server.language.frames import Frame
from lsp_server.language.lines import TAB_WIDTH, key_columns_of
from lsp_server.postprocess.document_indentation import (
    WIDTHS,
    blanks_near,
    indents_next,
    levels_above,
    unit_of,
)
from lsp_server.postprocess.yaml_indentation import fit_yaml
from lsp_server.values import CompletionScope

__all__ = ["fit_first_line", "fit_indentation"]

_CONTINUES = re.compile(r"[.?:+*/%&|=<>-]|and\b|or\b")
"""The beginning of a line that goes on with the expression of the line above."""

_CLAUSE = re.compile(r"(?:elif|else|except|finally)\b")
"""The beginning of a line that goes on with a statement whose block ends above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A generated line that is code from its beginning.

    Attributes:
        number: Which line of the text it is.
        columns: How far it is indented.
        is_body: Whether the line above it opens a block.
        is_free: Whether it goes on with an expression, and may be indented in any way.
        is_fresh: Whether it begins a statement, since the line above ends one.
    """

    number: int
    columns: int
    is_body: bool
    is_free: bool
    is_fresh: bool


def fit_first_line(
    text: str, cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Cut blanks at the beginning of ``text`` that the cursor's line has already.

    They are kept where the line goes on with an expression, and as far as the first
    line of a block needs them. Where the line is empty, they are made the document's.
    """
    before, rest = cursor.line_before, text.lstrip(" \t")
    blanks = text[: len(text) - len(rest)]
    if before.strip() or not blanks or _begins_freely(rest, cursor):
        return text
    if not before:
        return _fit_whole_line(rest, indentation_of(blanks), cursor)
    head = cursor.code_above
    wanted = indentation_of(head) + _own_columns(cursor)
    total = indentation_of(before + blanks)
    if head.lstrip().startswith("- ") and total == key_columns_of(head):
        return text
    if not cursor.opens_block(head) or cursor.indentation >= wanted:
        levels = levels_above(cursor)
        is_begun = cursor.indentation not in levels
        return text if is_begun and total in levels else rest
    # The model's blanks are either all of the line's or those that are missing.
    is_whole = indentation_of(blanks) == wanted
    return blanks[len(before) :] + rest if is_whole else text


def _fit_whole_line(rest: str, columns: int, cursor: CursorContext) -> str | None:
    """Return a line that begins at the margin with the document's indentation.

    A line of Python that fits no width is dropped: it would not parse.

    Args:
        rest: The text behind its blanks.
        columns: How far the model has indented it.
        cursor: The cursor, on an empty line.
    """
    unit, head = unit_of(cursor), cursor.code_above
    is_strict = cursor.language.indents_blocks
    if not unit or cursor.language.name == "yaml":
        return " " * columns + rest
    own = len(unit.expandtabs(TAB_WIDTH))
    levels = sorted(levels_above(cursor) | {0})
    if cursor.opens_block(head):
        body = indentation_of(head) + own
        levels = [body] if is_strict else [*levels, body]
    found = [columns] if columns in levels else []
    found += [
        levels[columns // width]
        for width in WIDTHS
        if columns % width == 0 and columns // width < len(levels)
    ]
    if is_strict and len(levels) == 1:
        found = levels
    if is_strict and not cursor.opens_block(rest.partition("\n")[0]):
        # The line below would be indented without a head above.
        is_clause = _CLAUSE.match(cursor.code_below.lstrip()) is not None
        below = indentation_of(cursor.code_below) + is_clause
        found = [each for each in found if each >= below] or found
    if not found and cursor.language.name == "python":
        return None
    deep, left = divmod(found[0] if found else columns, own)
    return unit * deep + " " * left + rest


def _begins_freely(rest: str, cursor: CursorContext) -> bool:
    """Return whether a line at the cursor may be indented in any way."""
    if cursor.language.is_prose or cursor.literal or rest.startswith("\n"):
        return True
    head = cursor.code_above
    is_deeper = cursor.indentation >= indentation_of(head) + _own_columns(cursor)
    if is_deeper and indents_next(head, cursor):
        return False
    return _is_bracketed(cursor.frames) or bool(_CONTINUES.match(rest))


def _own_columns(cursor: CursorContext) -> int:
    """Return the columns of the document's steps, or as many as a tab where unknown."""
    return len(unit_of(cursor).expandtabs(TAB_WIDTH)) or TAB_WIDTH


def fit_indentation(
    text: str, cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Indent the lines of ``text`` with what the document is indented with.

    A text in Python or YAML that fits no width is dropped: it would not parse.
    """
    lines = text.split("\n")
    if cursor.language.name == "yaml" and (lines[1:] or not cursor.line_before):
        fitted = fit_yaml(lines, cursor, cursor.scan(text))
        return None if fitted is None else "\n".join(fitted)
    if not lines[1:] or cursor.language.is_prose:
        return text
    unit = unit_of(cursor)
    if not unit:
        return text
    code = tuple(_code_lines(lines, cursor))
    head = cursor.line_before + lines[0]
    columns = indentation_of(head if head.strip() else cursor.code_above)
    own = len(unit.expandtabs(TAB_WIDTH))
    is_strict = cursor.language.indents_blocks
    fitting = (
        each
        for each in _steps(columns, own, _widths_of(code, columns))
        if _fits(code, each, is_strict=is_strict)
    )
    steps = next(fitting, None)
    if steps is None:
        if cursor.language.name == "python":
            return None
        steps = _Steps(own=own, width=own)
    known = set() if is_strict else blanks_near(cursor)
    for line in code:
        deep, rest = steps.levels_of(line.columns)
        written = lines[line.number].lstrip(" \t")
        blanks = lines[line.number][: -len(written)]
        if not line.is_free or blanks not in known:
            lines[line.number] = unit * deep + " " * rest + written
    return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steps:
    """How a model may have indented.

    Attributes:
        own: The columns of the document's steps.
        width: The columns of the model's.
        columns: How far the cursor's line is indented in such steps.
        base: From which column on; left of it the steps are the document's own.
    """

    own: int
    width: int
    columns: int = 0
    base: int = 0

    def levels_of(self, columns: int) -> tuple[int, int]:
        """Return the levels of a line, and the columns that are left over."""
        if columns < self.base:
            return divmod(columns, self.own)
        levels, left = divmod(columns - self.base, self.width)
        return self.base // self.own + levels, left


def _widths_of(lines: Sequence[_Line], columns: int) -> tuple[int, ...]:
    """Return the widths that a model may indent with: its own, and the usual ones."""
    steps = (line.columns - columns for line in lines[:1] if line.is_body)
    return tuple(dict.fromkeys((*WIDTHS, *(step for step in steps if step > 0))))


def _steps(columns: int, own: int, widths: Sequence[int]) -> Iterator[_Steps]:
    """Yield the document's own steps, then others, the likeliest first.

    Args:
        columns: How far the cursor's line is indented.
        own: The columns of the document's steps.
        widths: Those of the steps that a model may make.
    """
    yield _Steps(own=own, width=own, columns=columns)
    levels, left = divmod(columns, own)
    if left:
        return
    for width in widths:
        yield _Steps(own=own, width=width, columns=levels * width)
    # The cursor's line as it is, and steps from there on as the model has learnt them.
    for width in widths:
        yield _Steps(own=own, width=width, columns=columns, base=columns)


def _fits(lines: Sequence[_Line], steps: _Steps, *, is_strict: bool) -> bool:
    """Return whether lines are indented in such steps.

    Args:
        lines: The lines.
        steps: The steps.
        is_strict: Whether only the body of a block can be indented deeper.
    """
    columns = steps.columns
    seen = {columns}
    for line in lines:
        if line.is_free:
            continue
        is_step = line.columns == columns + steps.width
        if line.columns > columns or line.is_body:
            is_head_missing = (is_strict or line.is_fresh) and not line.is_body
            if not is_step or is_head_missing:
                return False
        elif steps.levels_of(line.columns)[1] and line.columns not in seen:
            return False
        columns = line.columns
        seen.add(columns)
    return True


def _code_lines(lines: Sequence[str], cursor: CursorContext) -> Iterator[_Line]:
    """Yield the lines behind the first that begin as code and are not blank."""
    scan = cursor.scan("\n".join(lines))
    head = cursor.line_before + lines[0]
    above = head if head.strip() else cursor.code_above
    start = len(lines[0]) + 1
    for number, line in enumerate(lines[1:], 1):
        frames = scan.frames_at(start)
        start += len(line) + 1
        if not line.strip() or (frames and frames[-1].kind.is_literal):
            continue
        yield _Line(
            number=number,
            columns=indentation_of(line),
            is_body=cursor.opens_block(above),
            is_free=_is_bracketed(frames) or bool(_CONTINUES.match(line.lstrip())),
            is_fresh=above.rstrip().endswith((";", "}")),
        )
        above = line


def _is_bracketed(frames: Sequence[Frame]) -> bool:
    """Return whether the innermost of ``frames`` is a round or square bracket."""
    return bool(frames) and frames[-1].opener in {"(", "["}
