"""Cuts copyright and licence notices that a model writes at the head of a file.

Models have read thousands of such heads, and in an empty file write one of them: of
another year, another holder and another licence.
"""

import re

from lsp_server.context.cursor import CursorContext
from lsp_server.values import CompletionScope

__all__ = ["cut_notice"]

_MOST_ABOVE = 20
"""A cursor with more lines than that above it is not at the head of a file."""

_COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--|;|%|<!|<\?|\"\"\"|'''|$)")
"""How a line of a comment begins in any language; a notice may have the wrong one."""

_NOTICE = re.compile(
    r"[\W_]*(?:copyright(?=\W*(?:\(c\)|©|\d|by\b|notice|(?-i:[A-Z])|$))|©|\(c\)|spdx-"
    r"|all rights reserved|permission is hereby granted"
    r"|this (?:file|program|software|library) is (?:part of|free|licen[sc]ed)\b"
    r"|licen[sc]e(?:\W*$|\s*:|d? (?:under|to|by|text|information|notice|agreement)\b)"
    r"|(?:the )?(?:mit|bsd|apache|gnu|mozilla)\b.*\blicen[sc]e)",
    re.IGNORECASE,
)
_BEGUN = re.compile(r"copyright|©|\(c\)|licen[sc]e|spdx|rights reserved", re.IGNORECASE)


def cut_notice(text: str, cursor: CursorContext, _scope: CompletionScope) -> str | None:
    """Cut a notice of copyright or licence at the head of a file; a `pipeline.Filter`.

    One that the user has begun goes on.
    """
    written = (cursor.line_before, *cursor.lines_above)
    is_head = len(written) <= _MOST_ABOVE and all(map(_COMMENT.match, written))
    if not is_head or cursor.language.is_prose or any(map(_BEGUN.search, written)):
        return text
    found = cursor.scan(text)
    kept = at = 0
    for line in text.split("\n"):
        word = at + len(line) - len(line.lstrip())
        comment = found.literal_at(word)
        if comment is None and not _COMMENT.match(line):
            return text
        if _NOTICE.match(line):
            if comment is not None and comment.start >= 0:
                kept = comment.start  # half a comment would hide what follows
            return text[:kept].rstrip()
        at += len(line) + 1
        if any(map(str.isalnum, line)):
            kept = at
    return text
