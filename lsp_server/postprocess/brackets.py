"""The filter that keeps brackets, blocks and strings from being closed twice."""

import re

from lsp_server.context.cursor import CursorContext, indentation_of
from lsp_server.language.frames import Frame, Scan
from lsp_server.values import CompletionScope

__all__ = [
    "CLOSERS",
    "OPENERS",
    "cut_at_next_closer",
    "cut_surplus_closers",
    "may_be_doubled",
    "next_closer",
]

_SEPARATOR = re.compile(r"[;,]?\s*\Z")
"""What may stand behind a closer at the end of a text."""

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
    open. A text is kept that opens again what it closes, such as ``} else {``. At its
    end, what it has opened itself counts as well.
    """
    scan = cursor.scan(text)
    surplus = {
        closing.offset
        for closing in scan.closings
        if closing.frame in cursor.closed_behind
    }
    surplus.update(at for at in scan.strays if not _may_stray(at, scan, cursor))
    # What closes in front of the cursor was typed by the user.
    cut = min((at for at in surplus if at >= 0), default=len(text))
    if cut < len(text):
        last = _closed_last(text, scan)
        shorter = text if last is None else text[: last[1]]
        # Perhaps it is the last one that is too many, of a body that stands below.
        is_empty = last is not None and shorter.rstrip().endswith(last[0].opener)
        for kept in (text, shorter) if is_empty else (text,):
            if cut < len(kept) and _fits_whole(kept, cut, cursor):
                return kept
    return text[: _open_end(text[:cut], scan, cursor)]


def _may_stray(at: int, scan: Scan, cursor: CursorContext) -> bool:
    """Return whether a closer there needs no opener.

    In a shell it is a label's, which stands in ``case`` alone.
    """
    if cursor.language.words is None or not cursor.language.has_stray_closers:
        return cursor.language.has_stray_closers
    frames = scan.frames_at(at)
    return bool(frames) and frames[-1].opener == "case"


def _open_end(text: str, scan: Scan, cursor: CursorContext) -> int:
    """Return where ``text`` closes, at its end, what is closed behind the cursor.

    Of what it has opened itself, that is what the cursor's line closes, and what the
    lines below go on with.
    """
    end = len(text)
    while (last := _closed_last(text[:end], scan)) is not None:
        inner, start = last
        # What was open at the cursor already, and not closed behind, has to be closed.
        if scan.frames_at(start) == cursor.frames:
            return end
        inside = text[inner.start + len(inner.opener) : start].strip()
        if inner.start >= 0 and not _may_go_on(inner, inside, cursor):
            return end
        behind = cursor.closed_behind_with(text[:start])
        if inner not in behind or not cursor.closed_behind <= behind:
            return end
        end = start
    return end


def _closed_last(text: str, scan: Scan) -> tuple[Frame, int] | None:
    """Return what ``text`` closes at its end, and where its closer begins."""
    written = _SEPARATOR.sub("", text)
    frames = scan.frames_at(len(written) - 1)
    inner = frames[-1] if frames else None
    if inner is None or not inner.closer or not written.endswith(inner.closer):
        return None
    if inner in scan.frames_at(len(written)):
        return None
    return inner, len(written) - len(inner.closer)


def _may_go_on(frame: Frame, inside: str, cursor: CursorContext) -> bool:
    """Return whether what stands behind the cursor may belong to a frame.

    Args:
        frame: What a text opens and closes.
        inside: What it has between.
        cursor: Where it stands.
    """
    if cursor.line_after.strip():
        return True
    if frame.literal is not None and frame.literal.spans_lines:
        return len(frame.opener) > 1 or frame.opener == "`"
    is_block = frame.opener == "{" and not cursor.language.indents_blocks
    is_deeper = indentation_of(cursor.code_below) > frame.columns
    return (not inside or inside.endswith(",")) and (is_block or is_deeper)


def _fits_whole(text: str, cut: int, cursor: CursorContext) -> bool:
    """Return whether what stands behind the cursor closes what ``text`` leaves open."""
    scan = cursor.scan(text)
    left = [each.closer for each in scan.state.frames]
    if not scan.strays and left == [each.closer for each in cursor.frames]:
        return True
    leaves_own = any(each.start >= 0 for each in scan.state.frames)
    return leaves_own and cursor.faults_with(text) < cursor.faults_with(text[:cut])
