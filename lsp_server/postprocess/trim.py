"""Filters that trim the beginning or the end of a generated text.

Each is a `pipeline.Filter`: it takes the text, the cursor and the scope, and returns
what is left of the text.
"""

import re

from lsp_server.context.cursor import CursorContext
from lsp_server.values import CompletionScope

__all__ = [
    "cut_comment_before_code",
    "cut_doubled_blank",
    "cut_prefix_echo",
    "cut_unfinished_line",
    "drop_blank",
    "strip_trailing_blanks",
]

_MIN_ECHO_CHARS = 6
"""A shorter line may well be written again on purpose."""

_COMMENT_MARKERS = ("#", "//")
_STRING = r"""(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?)"""
_STRING_OR_HASH = re.compile(rf"{_STRING}|(?P<comment>#)")
_STRING_OR_SLASHES = re.compile(rf"{_STRING}|(?P<comment>//)")


def drop_blank(
    text: str, _cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Drop a text of white space only."""
    return text if text.strip() else None


def cut_prefix_echo(
    text: str, cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Cut the beginning of ``text`` where it repeats the cursor's line."""
    typed = cursor.line_before.strip()
    if len(typed) < _MIN_ECHO_CHARS:
        return text
    written = text.lstrip()
    return written[len(typed) :] if written.startswith(typed) else text


def cut_doubled_blank(
    text: str, cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Cut the blanks at the beginning of ``text`` where a blank is typed already.

    A token often holds a word and the blank in front of it, so models write that blank
    even behind one. Blanks that complete an indentation or set off a comment are kept.
    """
    before = cursor.line_before
    rest = text.lstrip(" \t")
    if not before.strip() or not before[-1].isspace():
        return text
    return text if rest.startswith(_COMMENT_MARKERS) else rest


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
    """Cut a comment that would comment out the code right of the cursor.

    Nothing is cut where the cursor already stands inside a comment.
    """
    if not cursor.line_after.strip():
        return text
    pattern = _STRING_OR_SLASHES if cursor.uses_braces else _STRING_OR_HASH
    for found in pattern.finditer(cursor.line_before + text):
        at = found.start() - len(cursor.line_before)
        if found["comment"] is not None:
            return text if at < 0 else text[:at].rstrip()
    return text


def strip_trailing_blanks(
    text: str, cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Strip blanks at line ends, and blank lines at the end.

    The blanks at the very end are kept where code follows them on the cursor's line.
    """
    *lines, last = text.split("\n")
    text = "\n".join([*(line.rstrip() for line in lines), last])
    return text if cursor.line_after[:1].strip() else text.rstrip()
