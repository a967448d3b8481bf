r"""Where a completion ends: at the end of its line, or of its block.

`scope_end` serves twice: `StopRule` ends the generation with it while tokens still
come, and `end_with_scope` cuts the finished text with it. So both agree. All texts
here have ``\n`` line ends.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lsp_server.context.cursor import CursorContext, indentation_of
from lsp_server.postprocess.repetition import repeated_from
from lsp_server.values import CompletionScope

__all__ = ["StopRule", "end_with_scope", "scope_end"]

_CLOSING_BRACE = re.compile(r"[ \t]*\}[)\]}]*[;,]?")
_LAST_STATEMENT = re.compile(r"(break|continue|pass|raise|return)\b")
_MIN_LINE_CHARS = 3
"""A shorter line may well stand twice in a row."""

_BLANK_LINES_THAT_END = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of the document that the completion makes or extends.

    Attributes:
        start: Where the completion's part of the line begins, in the completion.
        end: Where that part ends, before the line end.
        text: The line as it would stand in the document.
        is_whole: Whether its line end was generated too.
        opens: Whether it leaves a bracket open.
    """

    start: int
    end: int
    text: str
    is_whole: bool
    opens: bool


class StopRule:
    """Decides, while text still comes, when a generation can end.

    Text after the stop is never part of a completion.
    """

    def __init__(self, cursor: CursorContext, scope: CompletionScope) -> None:
        """Watch for the end of ``scope`` at the cursor."""
        self._cursor = cursor
        self._scope = scope
        self._text = ""

    def feed(self, text: str) -> bool:
        """Add generated text, and return whether the generation can end now."""
        self._text += text
        return scope_end(self._text, self._cursor, self._scope) is not None


def end_with_scope(
    text: str, cursor: CursorContext, scope: CompletionScope
) -> str | None:
    """Cut what goes beyond the line or the block; a `pipeline.Filter`."""
    return text[: scope_end(text, cursor, scope)]


def scope_end(text: str, cursor: CursorContext, scope: CompletionScope) -> int | None:
    """Return where in ``text`` the scope ends; None while that is still open."""
    line_end = text.find("\n")
    # This runs at every token, so the commonest case comes first.
    if scope is CompletionScope.LINE or _is_inline_body(text, cursor):
        return None if line_end < 0 else line_end
    end = _block_end(text, cursor)
    if not cursor.line_before.strip():
        repeated = repeated_from(cursor.line_before + text[:end])
        if repeated is not None:
            return repeated - len(cursor.line_before)
    return end


def _is_inline_body(text: str, cursor: CursorContext) -> bool:
    """Return whether ``text`` is a block's body on the same line as its head."""
    first_line, _, _ = text.partition("\n")
    return bool(cursor.line_before.strip() and first_line.strip())


def _block_end(text: str, cursor: CursorContext) -> int | None:
    """Return the first offset at which ``text`` leaves the cursor's block, or None."""
    min_columns = _min_indentation(cursor)
    is_fixed = bool(cursor.line_before) and not cursor.line_before.strip()
    blank_lines = 0
    for line in _body_lines(text, cursor):
        if not line.text.strip():
            blank_lines += line.is_whole
            if blank_lines == _BLANK_LINES_THAT_END and line.start > 0:
                return line.start
            continue
        blank_lines = 0
        if indentation_of(line.text) < min_columns:
            return _end_at_dedent(line, cursor)
        if not is_fixed:
            # The first generated line sets the indentation of the body.
            min_columns, is_fixed = indentation_of(line.text), True
        if line.is_whole and _is_next_line(line.text, cursor):
            return line.start
        if line.is_whole and _leaves_block(line, min_columns, cursor):
            return line.end
    return None


def _min_indentation(cursor: CursorContext) -> int:
    """Return the least indentation of a line in the cursor's block, in columns."""
    if cursor.line_before:
        is_indentation = not cursor.line_before.strip()
        return cursor.indentation if is_indentation else cursor.indentation + 1
    above = cursor.code_above
    opens = above.rstrip().endswith((":", "{"))
    return indentation_of(above) + 1 if opens else indentation_of(above)


def _body_lines(text: str, cursor: CursorContext) -> Iterator[_Line]:
    """Yield the lines of the block, except those that begin inside a literal."""
    start = 0
    head = cursor.line_before
    scan = cursor.scan(text)
    for part in text.split("\n"):
        end = start + len(part)
        is_whole = end < len(text)
        opens = any(frame.start >= start for frame in scan.frames_at(end))
        line = _Line(
            start=start, end=end, text=head + part, is_whole=is_whole, opens=opens
        )
        if not head.strip() and scan.literal_at(start) is None:
            yield line
        head = ""
        start = end + 1


def _end_at_dedent(line: _Line, cursor: CursorContext) -> int | None:
    """Return the end of a block that ``line`` leaves: before it, or behind its brace.

    None while more of ``line`` has to come before that is decided.
    """
    brace = _CLOSING_BRACE.match(line.text)
    if brace is None or not cursor.uses_braces or line.start == 0:
        return line.start
    if cursor.code_below.lstrip().startswith("}"):
        return line.start
    return line.start + brace.end() if line.is_whole else None


def _leaves_block(line: _Line, columns: int, cursor: CursorContext) -> bool:
    """Return whether nothing can follow ``line`` in a block of this indentation."""
    if cursor.uses_braces or indentation_of(line.text) != columns:
        return False
    continues = line.opens or line.text.rstrip().endswith("\\")
    return not continues and bool(_LAST_STATEMENT.match(line.text.lstrip()))


def _is_next_line(line: str, cursor: CursorContext) -> bool:
    """Return whether ``line`` is the same as the next line below the cursor."""
    is_long = len(line.strip()) >= _MIN_LINE_CHARS
    return is_long and line.rstrip() == cursor.code_below.rstrip()
