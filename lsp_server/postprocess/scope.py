r"""Where a completion ends: with its line, with its block, or where the suffix begins.

`StopRule` ends the generation while tokens still come by the same functions by which
filters cut the finished text: `scope_end` and `cut_surplus_closers`. So they agree. All
texts here have ``\n`` line ends.

Whether it is a line or a block is decided again with every token: a line that opens a
block whose body is missing goes on to the block's end, and a block whose body begins
behind its head ends with that line.
"""

import re

from lsp_server.context.cursor import CursorContext, indentation_of
from lsp_server.language.frames import Frame, Scan, literal_of
from lsp_server.language.grammar import Kind
from lsp_server.outcomes import StopCause
from lsp_server.postprocess.block_end import (
    End,
    block_end,
    frames_of_text,
    opens_block,
)
from lsp_server.postprocess.brackets import may_be_doubled, next_closer
from lsp_server.postprocess.repetition import loop_from, repeated_from
from lsp_server.postprocess.trim import cut_prefix_echo, fence_start, may_echo
from lsp_server.values import CompletionScope

__all__ = ["StopRule", "decided_scope", "end_with_scope", "scope_end"]

_LEAST_SUFFIX_LINE_CHARS = 8
"""A shorter line may well stand twice in a string."""

_SUFFIX_LINES = 2
"""So many lines of any length hardly ever stand twice."""

_DECIDES = re.compile(r"[^\w \t.,:=]")


class StopRule:
    """Decides, while text still comes, when a generation can end.

    Text after the stop is never part of a completion.

    Attributes:
        cause: Why it can end; None while it cannot.
    """

    def __init__(self, cursor: CursorContext, scope: CompletionScope) -> None:
        """Watch for the end of ``scope`` at the cursor."""
        self.cause: StopCause | None = None
        self._cursor = cursor
        self._scope = scope
        self._text = ""

    def feed(self, text: str) -> bool:
        """Add generated text, and return whether the generation can end now."""
        begins_line = not self._text.rpartition("\n")[2].strip()
        self._text += text
        # Most tokens are words in the middle of a line, which decide nothing.
        if not begins_line and not _DECIDES.search(text):
            return False
        text = self._text
        if may_echo(text, self._cursor):
            if "\n" not in text:
                return False
            text = cut_prefix_echo(text, self._cursor, self._scope) or ""
        return self._decide(text)

    def _decide(self, text: str) -> bool:
        """Note why the generation can end, if it can, and return whether it can."""
        found = self._cursor.scan(text)
        end = _end_of(text, self._cursor, self._scope, found)
        if end is not None:
            self.cause = end.cause
        closer = next_closer(found, self._cursor)
        is_first = closer is not None and (end is None or closer < end.offset)
        if closer is not None and is_first:
            if may_be_doubled(text, closer, found):
                return False
            self.cause = StopCause.CLOSER
        if self.cause is None and fence_start(text, self._cursor, found) is not None:
            self.cause = StopCause.FENCE
        return self.cause is not None


def end_with_scope(
    text: str, cursor: CursorContext, scope: CompletionScope
) -> str | None:
    """Cut what goes beyond the line or the block; a `pipeline.Filter`."""
    return text[: scope_end(text, cursor, scope)]


def scope_end(text: str, cursor: CursorContext, scope: CompletionScope) -> int | None:
    """Return where in ``text`` the scope ends; None while that is still open."""
    end = _end_of(text, cursor, scope, cursor.scan(text))
    return None if end is None else end.offset


def decided_scope(
    text: str, cursor: CursorContext, scope: CompletionScope
) -> CompletionScope:
    """Return how far ``text`` runs in truth: ``LINE`` or ``BLOCK``."""
    if _begins_below(text, cursor, scope):
        return CompletionScope.BLOCK
    if scope is CompletionScope.LINE or cursor.language.is_prose:
        return CompletionScope.LINE
    line_end = _line_end(text, cursor, cursor.scan(text), scope)
    goes_on = line_end is not None and _goes_on(text, line_end, cursor, scope)
    if goes_on or "\n" in text[:line_end]:
        return CompletionScope.BLOCK
    return CompletionScope.LINE


def _end_of(
    text: str, cursor: CursorContext, scope: CompletionScope, found: Scan
) -> End | None:
    """Return where the scope ends, and why; None while it is open."""
    if cursor.language.is_prose:
        return _end_in_prose(text, cursor, scope)
    if _begins_below(text, cursor, scope):
        return _end_at_loop(text, cursor, _end_below(text, cursor, found))
    line_end = _line_end(text, cursor, found, scope)
    if line_end is None:
        return None
    if not _goes_on(text, line_end, cursor, scope):
        return End(offset=line_end, cause=StopCause.LINE)
    end = _end_behind_head(text, line_end, cursor, found)
    return _end_at_loop(text, cursor, end)


def _end_at_loop(text: str, cursor: CursorContext, end: End | None) -> End | None:
    """Return where lines go round in circles, or else ``end``."""
    kept, heads = text[: end.offset if end else None], ("", cursor.line_before)
    found = [(loop_from(head + kept), len(head)) for head in heads]
    offsets = [second - left for second, left in found if second is not None]
    if not offsets:
        return end
    return End(offset=min(offsets), cause=StopCause.REPETITION)


def _end_behind_head(
    text: str, line_end: int, cursor: CursorContext, found: Scan
) -> End | None:
    """Return where the block ends that the line up to ``line_end`` opens."""
    columns = indentation_of(cursor.line_before + text)
    end = block_end(
        text,
        cursor,
        found,
        min_columns=columns + 1,
        is_fixed=False,
        first=line_end + 1,
    )
    if not frames_of_text(found, line_end):
        return end
    closed = _all_closed(text, found, line_end)
    # A signature over several lines may have its body below.
    if closed is None or opens_block(_line_at(text, closed), cursor):
        return end
    if end is None or closed <= end.offset:
        return End(offset=closed, cause=StopCause.BLOCK)
    return end


def _begins_below(text: str, cursor: CursorContext, scope: CompletionScope) -> bool:
    """Return whether the completion is a body below its head, not behind it."""
    if scope is not CompletionScope.BLOCK:
        return False
    first_line, _, _ = text.partition("\n")
    return not (cursor.line_before.strip() and first_line.strip())


def _end_below(text: str, cursor: CursorContext, found: Scan) -> End | None:
    """Return where a body that begins on a line of its own ends."""
    end = block_end(
        text,
        cursor,
        found,
        min_columns=_min_columns(cursor),
        is_fixed=bool(cursor.line_before) and not cursor.line_before.strip(),
    )
    if not cursor.line_before.strip():
        kept = text if end is None else text[: end.offset]
        repeated = repeated_from(cursor.line_before + kept)
        if repeated is not None:
            offset = repeated - len(cursor.line_before)
            return End(offset=offset, cause=StopCause.REPETITION)
    return end


def _min_columns(cursor: CursorContext) -> int:
    """Return the least indentation of a line in the cursor's block, in columns."""
    line = cursor.line_before
    if line and not line.strip():
        return cursor.indentation
    head = line or cursor.code_above
    return indentation_of(head) + opens_block(head, cursor)


def _line_end(
    text: str, cursor: CursorContext, found: Scan, scope: CompletionScope
) -> int | None:
    """Return the first line end outside of literals that ``text`` has opened.

    In the scope of a line it is the first one anywhere; in a literal, the one before
    the line that stands next below the cursor.
    """
    at = text.find("\n")
    while at >= 0:
        if scope is CompletionScope.LINE:
            return at
        # Text that a dedent ends is over only at the start of the next line.
        literal = literal_of(found.frames_at(at + 1))
        if literal is None or literal.start < 0:
            return at
        if _is_suffix_next(text, at, cursor, literal):
            return at
        at = text.find("\n", at + 1)
    return None


def _is_suffix_next(
    text: str, line_end: int, cursor: CursorContext, literal: Frame
) -> bool:
    """Return whether the lines behind this line end are the next ones below the cursor.

    However they are indented: they are text, not code. One long line tells, or one that
    ends the literal, or two.
    """
    found = cursor.scan(text)
    below = (line.strip() for line in cursor.lines_below if line.strip())
    same = 0
    start = line_end + 1
    while literal in found.frames_at(start) and (end := text.find("\n", start)) >= 0:
        line = text[start:end].strip()
        start = end + 1
        if not line:
            continue
        if line != next(below, None):
            return False
        same += 1
        is_last = literal not in found.frames_at(end)
        is_long = len(line) >= _LEAST_SUFFIX_LINE_CHARS
        if is_last or is_long or same == _SUFFIX_LINES:
            return True
    return False


def _goes_on(
    text: str, line_end: int, cursor: CursorContext, scope: CompletionScope
) -> bool:
    """Return whether the line opens a block, or a bracket, with nothing in it yet."""
    if scope is CompletionScope.LINE or cursor.line_after.strip():
        return False
    line = cursor.line_before + text[:line_end]
    found = cursor.scan(text[:line_end])
    opened = frames_of_text(found, line_end)
    brackets = [each for each in opened if each.kind in {Kind.BRACKET, Kind.BLOCK}]
    if not brackets and not opens_block(line, cursor):
        return False
    # A signature over several lines is indented as it begins.
    closed = [each.frame for each in found.closings if each.offset >= 0]
    columns = min(
        [indentation_of(line.rpartition("\n")[2]), *(each.columns for each in closed)]
    )
    below = cursor.code_below
    is_level = indentation_of(below) == columns
    if brackets and is_level and below.strip().startswith(brackets[-1].closer):
        return False
    return indentation_of(below) <= columns


def _all_closed(text: str, found: Scan, start: int) -> int | None:
    """Return the first line end from which on nothing that was opened is open."""
    at = text.find("\n", start + 1)
    while at >= 0:
        if not frames_of_text(found, at):
            return at
        at = text.find("\n", at + 1)
    return None


def _line_at(text: str, end: int) -> str:
    """Return the line that ends at ``end``."""
    return text[text.rfind("\n", 0, end) + 1 : end]


def _end_in_prose(
    text: str, cursor: CursorContext, scope: CompletionScope
) -> End | None:
    """Return the end of the line, or of the paragraph, where nothing more is known."""
    if not _begins_below(text, cursor, scope):
        at = text.find("\n")
        return None if at < 0 else End(offset=at, cause=StopCause.LINE)
    begun = len(text) - len(text.lstrip())
    at = text.find("\n\n", begun)
    return None if at < 0 else End(offset=at, cause=StopCause.BLANK_LINES)
