"""Filters that trim the beginning or the end of a generated text.

Each is a `pipeline.Filter`: it takes the text, the cursor and the scope, and returns
what is left of the text.
"""

import re

from lsp_server.context.cursor import CursorContext, indentation_of
from lsp_server.language.frames import Scan
from lsp_server.language.grammar import Kind
from lsp_server.text import is_word_char
from lsp_server.values import CompletionScope

__all__ = [
    "cut_comment_before_code",
    "cut_doubled_blank",
    "cut_fence",
    "cut_prefix_echo",
    "cut_unfinished_line",
    "drop_blank",
    "drop_lone_operator",
    "fence_start",
    "may_echo",
    "strip_trailing_blanks",
]

_MIN_ECHO_CHARS = 6
"""A shorter line may well be written again on purpose."""

_CALLEE = re.compile(r"[\w.:>-]+[(\[{]")
"""The beginning of a call, which may well have the same call as argument."""

_FENCE = re.compile(r"^[ \t]*```", re.MULTILINE)
_OPERATOR = re.compile(r"[-+*/%&|^~<>=!:.?]*=|[-=]>|&&|\|\||\?\?|<<|[+%]")
"""What has an operand behind it in every language that has it at all."""


def drop_blank(
    text: str, _cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Drop a text of white space only."""
    return text if text.strip() else None


def cut_prefix_echo(
    text: str, cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Cut the beginning of ``text`` where it repeats the cursor's line.

    A longer word that begins like the line is no repeat, nor is a call within the same
    call, or a line without a word: a separator goes on with more of the same. Nor is a
    line below the cursor's: the stop rule may have ended before it.
    """
    typed, written = _typed_line(cursor), text.lstrip(" \t")
    if not typed or not written.startswith(typed):
        return text
    rest = written[len(typed) :]
    goes_on = is_word_char(typed[-1]) and is_word_char(rest[:1])
    if goes_on or cursor.language.is_prose or _is_nested_call(text, typed, cursor):
        return text
    return rest


def may_echo(text: str, cursor: CursorContext) -> bool:
    """Return whether ``text`` begins with the cursor's line, or yet may."""
    typed, written = _typed_line(cursor), text.lstrip(" \t")
    return bool(typed) and (written.startswith(typed) or typed.startswith(written))


def _typed_line(cursor: CursorContext) -> str:
    """Return what is typed of the cursor's line, if a model may write it once more."""
    typed = cursor.line_before.strip()
    has_word = any(map(is_word_char, typed))
    return typed if len(typed) >= _MIN_ECHO_CHARS and has_word else ""


def _is_nested_call(text: str, typed: str, cursor: CursorContext) -> bool:
    """Return whether ``text`` closes all that it opens, and all that has to be."""
    if not _CALLEE.fullmatch(typed):
        return False
    line_start = -len(cursor.line_before)
    return all(
        frame.start < line_start or frame in cursor.closed_behind
        for frame in cursor.scan(text).state.frames
    )


def cut_doubled_blank(
    text: str, cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Cut the blanks at the beginning of ``text`` where a blank is typed already.

    A token often holds a word and the blank in front of it, so models write that blank
    even behind one. Blanks that complete an indentation, align columns or set off a
    comment are kept.
    """
    before = cursor.line_before
    rest = text.lstrip(" \t")
    if not before.strip() or not before[-1].isspace():
        return text
    if before[-1] == "\t" or before[-2:].isspace():
        return text
    if cursor.literal is not None and text[:2].isspace():
        return text
    mark = cursor.language.line_comment
    return text if mark and rest.startswith(mark) else rest


def cut_unfinished_line(
    text: str, _cursor: CursorContext, scope: CompletionScope
) -> str | None:
    """Cut the last line of a block whose generation was broken off.

    A completion of one line is kept: the user can write on from it.
    """
    if scope is CompletionScope.LINE:
        return text
    kept, line_end, _ = text.rpartition("\n")
    return kept if line_end and kept.strip() else text


def cut_comment_before_code(
    text: str, cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Cut a comment at the end that would comment out the code right of the cursor.

    Nothing is cut where the cursor already stands inside a comment.
    """
    rest = cursor.line_after.strip()
    # A comment that stands behind the cursor already is left to the filter of repeats.
    if not rest or (len(rest) >= _MIN_ECHO_CHARS and text.rstrip().endswith(rest)):
        return text
    literal = cursor.scan(text).literal_at(len(text))
    if literal is None or literal.kind is not Kind.COMMENT or literal.start < 0:
        return text
    return text[: literal.start].rstrip()


def strip_trailing_blanks(
    text: str, cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Strip blanks at line ends, and blank lines at the end.

    The blanks at the very end are kept where code follows them on the cursor's line.
    """
    *lines, last = text.split("\n")
    text = "\n".join([*(line.rstrip() for line in lines), last])
    return text if cursor.line_after[:1].strip() else text.rstrip()


def fence_start(text: str, cursor: CursorContext, found: Scan) -> int | None:
    """Return where a line of ``text`` begins a Markdown fence; None where none does.

    Models that were trained to chat end code with one, and explain it. In strings and
    comments fences stay, and in prose.

    Args:
        text: The generated text.
        cursor: Where it stands.
        found: The scan of ``text`` at the cursor.
    """
    if cursor.language.is_prose or "```" not in text:
        return None
    for fence in _FENCE.finditer(text):
        begins_line = fence.start() > 0 or not cursor.line_before.strip()
        if begins_line and found.literal_at(fence.start()) is None:
            return fence.start()
    return None


def cut_fence(text: str, cursor: CursorContext, _scope: CompletionScope) -> str | None:
    """Cut ``text`` before a line that begins a Markdown fence."""
    return text[: fence_start(text, cursor, cursor.scan(text))]


def drop_lone_operator(
    text: str, cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Drop an operator at the end of a line that nothing goes on from.

    It is kept where code follows it: on its line, in its bracket, or indented below. So
    is a comment's mark, next to a comment.
    """
    if cursor.language.is_prose or cursor.literal or cursor.line_after.strip():
        return text
    mark = cursor.language.line_comment
    if mark and text.strip() == mark:
        around = (cursor.code_above.lstrip(), cursor.code_below.lstrip())
        is_block = any(each.startswith(mark) and each[:2] != "#!" for each in around)
        return text if is_block else None
    if not _OPERATOR.fullmatch(text.strip()):
        return text
    is_bracketed = any(frame.opener in {"(", "["} for frame in cursor.frames)
    is_deeper = indentation_of(cursor.code_below) > cursor.indentation
    return text if cursor.code_below.strip() and (is_bracketed or is_deeper) else None
