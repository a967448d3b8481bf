"""Whether to complete at a cursor, and how far the completion may run.

An editor asks after every key. Most places get the rest of a line, and an empty body
gets a block. Some get nothing, above all the middle of a word, unless the user asks by
hand.
"""

import re
from collections.abc import Sequence

from lsp_server.config import CompletionConfig
from lsp_server.context.cursor import TRIPLE_QUOTES, CursorContext, indentation_of
from lsp_server.outcomes import Reason
from lsp_server.postprocess.brackets import CLOSERS, OPENERS
from lsp_server.service import reasons
from lsp_server.text import is_word_char
from lsp_server.values import CompletionScope, Snapshot, Trigger

__all__ = ["choose_scope", "why_unsuitable"]

_BLOCK_KEYWORD = re.compile(
    r"(async|case|class|def|elif|else|except|finally|for|if|match|try|while|with)\b"
)
_HASH_COMMENT = re.compile(r"\s+#[^'\"]*$")


def why_unsuitable(snapshot: Snapshot, config: CompletionConfig) -> Reason | None:
    """Return why there are no completions in a document; None where there are.

    It reads all of the text once, for a zero byte.
    """
    if not config.enabled:
        return reasons.DISABLED
    if snapshot.language_id in config.disabled_languages.split():
        return reasons.LANGUAGE_OFF
    if len(snapshot.text) > config.max_document_chars:
        return reasons.TOO_LARGE
    if len(snapshot.line_before) + len(snapshot.line_after) > config.max_line_chars:
        return reasons.LINE_TOO_LONG
    if "\0" in snapshot.text:
        return reasons.BINARY
    return None


def choose_scope(cursor: CursorContext, trigger: Trigger) -> CompletionScope | None:
    """Return the scope of a completion at the cursor; None where it is unwelcome."""
    if trigger is Trigger.AUTOMATIC and _is_unwelcome(cursor):
        return None
    if _is_empty_body(cursor):
        return CompletionScope.BLOCK
    return CompletionScope.LINE


def _is_unwelcome(cursor: CursorContext) -> bool:
    """Return whether a suggestion that nobody asked for would be in the way."""
    if is_word_char(cursor.line_after[:1]) or cursor.is_blank:
        return True
    return not cursor.line_after.strip() and _is_finished(cursor)


def _is_finished(cursor: CursorContext) -> bool:
    """Return whether the line before the cursor is a statement that was just ended.

    A line that ends in a blank is not: its author writes on. Nor is the head of a
    block, whose colon or brace has still to come.
    """
    line = cursor.line_before
    if cursor.uses_braces and line.endswith(";"):
        return True
    if not line.endswith(tuple(CLOSERS)) or _BLOCK_KEYWORD.match(line.lstrip()):
        return False
    opened = sum(map(line.count, OPENERS))
    closed = sum(map(line.count, CLOSERS))
    # More closed than opened: the end of something longer, such as a signature.
    return opened == closed and not cursor.uses_braces


def _is_empty_body(cursor: CursorContext) -> bool:
    """Return whether the cursor stands where a block's body is still missing."""
    if cursor.line_after.strip():
        return False
    head = cursor.line_before
    if not head.strip():
        head = _head_above(cursor)
    if not _opens_block(head, cursor):
        return False
    return indentation_of(cursor.code_below) <= indentation_of(head)


def _head_above(cursor: CursorContext) -> str:
    """Return the nearest line above that is neither blank nor part of a docstring."""
    lines = [line for line in cursor.lines_above if line.strip()]
    if not cursor.uses_braces:
        lines = lines[_docstring_length(lines) :]
    return lines[0] if lines else ""


def _docstring_length(lines: Sequence[str]) -> int:
    """Count the lines of a docstring that ends on the first of ``lines``, upwards."""
    if not lines:
        return 0
    last = lines[0].strip()
    for quotes in TRIPLE_QUOTES:
        if not last.endswith(quotes):
            continue
        if last.count(quotes) == 2:  # noqa: PLR2004  # it starts and ends on one line
            return 1
        for at, line in enumerate(lines[1:], 2):
            if quotes in line:
                return at
    return 0


def _opens_block(line: str, cursor: CursorContext) -> bool:
    """Return whether ``line`` is, or ends, the head of a block."""
    if cursor.language.name != "python":
        return cursor.opens_block(line)
    code = _HASH_COMMENT.sub("", line).strip()
    if not code.endswith(":"):
        return False
    # A signature over several lines ends in `) -> int:` on a line of its own.
    return bool(_BLOCK_KEYWORD.match(code)) or code.startswith(tuple(CLOSERS))
