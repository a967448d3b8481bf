"""Decides whether a completion is worth it, and how far it may run.

An editor asks after every key. Most places are good for the rest of a line; an empty
body is good for a block; some, the middle of a word above all, are good for nothing.
Someone who asks by hand always gets an answer.
"""

import re
from collections.abc import Sequence

from lsp_server.postprocess.surroundings import (
    TRIPLE_QUOTES,
    following_lines,
    indentation,
    nearby,
    preceding_lines,
    uses_braces,
)
from lsp_server.values import CompletionScope, Snapshot, Trigger

__all__ = ["choose_scope"]

_BLOCK_KEYWORD = re.compile(
    r"(async|case|class|def|elif|else|except|finally|for|if|match|try|while|with)\b"
)
_HASH_COMMENT = re.compile(r"\s+#[^'\"]*$")
_SLASH_COMMENT = re.compile(r"\s*//[^'\"]*$")
_OPENERS, _CLOSERS = "([{", ")]}"


def choose_scope(snapshot: Snapshot, trigger: Trigger) -> CompletionScope | None:
    """Give the scope of a completion at the cursor; None where none is worth it."""
    near = nearby(snapshot)
    if trigger is Trigger.AUTOMATIC and _is_unwelcome(near):
        return None
    if _is_empty_body(near):
        return CompletionScope.BLOCK
    return CompletionScope.LINE


def _is_unwelcome(near: Snapshot) -> bool:
    """Tell whether a suggestion that nobody asked for would be in the way here."""
    before, after = near.line_before, near.line_after
    if _is_word(after[:1]):
        return True
    if not near.text.strip():
        return True
    return not after.strip() and _is_closed(before, near)


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _is_closed(line: str, near: Snapshot) -> bool:
    """Tell whether ``line`` is a statement that has just been ended.

    A blank behind it says that its author goes on, and a block's head has its colon
    or brace still to come.
    """
    if uses_braces(near) and line.endswith(";"):
        return True
    if not line.endswith(tuple(_CLOSERS)) or _BLOCK_KEYWORD.match(line.lstrip()):
        return False
    opened = sum(map(line.count, _OPENERS))
    closed = sum(map(line.count, _CLOSERS))
    # More closed than opened: the end of something longer, such as a signature.
    return opened == closed and not uses_braces(near)


def _is_empty_body(near: Snapshot) -> bool:
    """Tell whether the cursor stands where a block's body is still missing."""
    if near.line_after.strip():
        return False
    above = preceding_lines(near)
    head = near.line_before
    if not head.strip():
        head = _head_above(above, near)
    if not _opens_block(head, near):
        return False
    below = next((line for line in following_lines(near) if line.strip()), "")
    return indentation(below) <= indentation(head)


def _head_above(above: Sequence[str], near: Snapshot) -> str:
    """Give the nearest line above that is neither blank nor of a docstring."""
    lines = [line for line in above if line.strip()]
    if not uses_braces(near):
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
        if last.count(quotes) == 2:  # noqa: PLR2004  # it opens and ends on one line
            return 1
        for at, line in enumerate(lines[1:], 2):
            if quotes in line:
                return at
    return 0


def _opens_block(line: str, near: Snapshot) -> bool:
    """Tell whether ``line`` is, or ends, the head of a block."""
    if uses_braces(near):
        return _SLASH_COMMENT.sub("", line).rstrip().endswith("{")
    code = _HASH_COMMENT.sub("", line).strip()
    if not code.endswith(":"):
        return False
    # A signature over several lines ends in `) -> int:` on a line of its own.
    return bool(_BLOCK_KEYWORD.match(code)) or code.startswith(tuple(_CLOSERS))
