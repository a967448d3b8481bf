"""Tidies blanks, and drops what is nothing else."""

from lsp_server.values import CompletionScope, Snapshot

__all__ = ["cut_doubled_blank", "drop_blank", "strip_trailing_blanks"]

_COMMENTS = ("#", "//")


def cut_doubled_blank(text: str, near: Snapshot, scope: CompletionScope) -> str | None:
    """Cut the blanks that ``text`` begins with where one was typed already.

    Models write a word together with the blank in front of it, even behind a blank.
    What an indentation lacks is kept, and so is the gap in front of a comment.
    """
    del scope
    before = near.line_before
    rest = text.lstrip(" \t")
    if not before.strip() or not before[-1:].isspace() or rest.startswith(_COMMENTS):
        return text
    return rest


def strip_trailing_blanks(
    text: str, near: Snapshot, scope: CompletionScope
) -> str | None:
    """Strip blanks at line ends, and blank lines at the end.

    The blanks of the last line stay where code follows at once.
    """
    del scope
    *lines, last = text.split("\n")
    text = "\n".join([*(line.rstrip() for line in lines), last])
    follows = near.line_after[:1].strip()
    return text if follows else text.rstrip()


def drop_blank(text: str, near: Snapshot, scope: CompletionScope) -> str | None:
    """Drop a text that shows nothing."""
    del near, scope
    return text if text.strip() else None
