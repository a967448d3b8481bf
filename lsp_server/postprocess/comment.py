"""Keeps a comment from hiding the code behind the cursor."""

import re

from lsp_server.postprocess.surroundings import uses_braces
from lsp_server.values import CompletionScope, Snapshot

__all__ = ["cut_comment_before_code"]

_STRING = r"""(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?)"""
_STRING_OR_HASH = re.compile(rf"{_STRING}|(?P<comment>#)")
_STRING_OR_SLASHES = re.compile(rf"{_STRING}|(?P<comment>//)")


def cut_comment_before_code(
    text: str, near: Snapshot, scope: CompletionScope
) -> str | None:
    """Cut a comment that ``text`` begins where the line goes on behind the cursor.

    Inside of a comment that was there before, nothing is cut.
    """
    del scope  # an empty body has nothing behind the cursor
    if not near.line_after.strip():
        return text
    pattern = _STRING_OR_SLASHES if uses_braces(near) else _STRING_OR_HASH
    for found in pattern.finditer(near.line_before + text):
        at = found.start() - len(near.line_before)
        if found["comment"] is not None:
            return text if at < 0 else text[:at].rstrip()
    return text
