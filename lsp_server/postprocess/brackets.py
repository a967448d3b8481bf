"""The filter that keeps brackets, blocks and strings from being closed twice."""

import re

from lsp_server.context.cursor import CursorContext
from lsp_server.language.frames import Scan
from lsp_server.values import CompletionScope

__all__ = [
    "CLOSERS",
    "OPENERS",
    "cut_at_next_closer",
    "cut_surplus_closers",
    "may_be_doubled",
    "next_closer",
]

OPENERS = "([{"
CLOSERS = ")]}"


def next_closer(scan: Scan, cursor: CursorContext) -> int | None:
    """Return where a text comes to a closer that stands next behind the cursor."""
    closed_next = cursor.closed_next
    return next(
        (
            closing.offset
            for closing in scan.closings
            if closing.offset >= 0 and closing.frame in closed_next
        ),
        None,
    )


def may_be_doubled(text: str, closer: int, scan: Scan) -> bool:
    """Return whether a quote at the end of ``text`` closes nothing if it comes twice.

    Args:
        text: The generated text, which may go on.
        closer: Where in it a closer begins.
        scan: The scan of ``text`` at the cursor.
    """
    frame = scan.literal_at(closer)
    escapes = frame.literal.escapes if frame and frame.literal else ()
    return any(re.fullmatch(each, text[closer:] * 2) for each in escapes)


def cut_at_next_closer(
    text: str, cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Cut ``text`` before a closer that stands next behind the cursor."""
    return text[: next_closer(cursor.scan(text), cursor)]


def cut_surplus_closers(
    text: str, cursor: CursorContext, _scope: CompletionScope
) -> str | None:
    """Cut ``text`` before the first closer for which nothing is left to close.

    That is what the code behind the cursor closes, a string too, and what never was
    open. A text is kept that opens again what it closes, such as ``} else {``.
    """
    scan = cursor.scan(text)
    surplus = {
        closing.offset
        for closing in scan.closings
        if closing.frame in cursor.closed_behind
    }
    if not cursor.language.has_stray_closers:
        surplus.update(scan.strays)
    # What closes in front of the cursor was typed by the user.
    cut = min((at for at in surplus if at >= 0), default=len(text))
    return text if cut < len(text) and _fits_whole(text, cut, cursor) else text[:cut]


def _fits_whole(text: str, cut: int, cursor: CursorContext) -> bool:
    """Return whether what stands behind the cursor closes what ``text`` leaves open."""
    scan = cursor.scan(text)
    left = [each.closer for each in scan.state.frames]
    if not scan.strays and left == [each.closer for each in cursor.frames]:
        return True
    leaves_own = any(each.start >= 0 for each in scan.state.frames)
    return leaves_own and cursor.faults_with(text) < cursor.faults_with(text[:cut])
