"""What is open in front of a cursor, and which of it the text behind it closes.

Both texts may be cut off, the one at its start, the other at its end. Where that leaves
it open whether a place is in a string or not, the answer with the fewer faults holds.
"""

import functools
from collections import Counter
from collections.abc import Iterator

from lsp_server.language.frames import Frame, Scan, ScanState, literal_of
from lsp_server.language.grammar import Ending, Kind, Language
from lsp_server.language.scan import scan

__all__ = ["closed_behind", "state_before"]

_FAR_CHARS = 1 << 20
"""What is open above the cursor's line has offsets that nothing on it can have."""

_REACH_CHARS = 8_000
"""How much of the text behind the cursor is read."""


@functools.lru_cache(maxsize=64)
def state_before(text: str, language: Language, *, is_whole: bool) -> ScanState:
    """Return what is open at the end of ``text``, which ends with a line end.

    It stays the same while the user types in the next line, so it is kept.

    Args:
        text: The lines above the cursor's.
        language: Their language.
        is_whole: Whether they begin where the document begins.
    """
    if language.is_prose or not text:
        return ScanState()
    start = 0 if is_whole else text.find("\n") + 1
    head, origin = text[start:], start - len(text) - _FAR_CHARS
    scans = [scan(head, language, origin=origin)]
    if not is_whole:
        scans += (
            scan(head, language, state=ScanState(frames=(frame,)), origin=origin)
            for frame in _possible_starts(head, language, origin)
        )
    return min(scans, key=lambda each: (each.faults, each.literal_chars)).state


def _possible_starts(head: str, language: Language, origin: int) -> Iterator[Frame]:
    """Yield the literals in which a text may begin, by the closers that it holds."""
    seen = set()
    for literal in language.literals:
        closer = literal.closes
        is_fixed = literal.ending is Ending.CLOSER and "{" not in closer
        if literal.spans_lines and is_fixed and closer in head and closer not in seen:
            seen.add(closer)
            yield Frame(
                kind=literal.kind,
                opener="",
                closer=closer,
                start=origin - 1,
                columns=0,
                literal=literal,
            )


def closed_behind(
    text: str, frames: tuple[Frame, ...], language: Language, *, is_whole: bool
) -> frozenset[Frame]:
    """Return which of ``frames`` the text behind the cursor closes.

    Args:
        text: The text behind the cursor.
        frames: What is open at the cursor, the innermost last.
        language: The language.
        is_whole: Whether the text ends where the document ends. Otherwise all that is
            open farther above counts as closed.
    """
    if not frames:
        return frozenset()
    is_whole = is_whole and len(text) <= _REACH_CHARS
    text = text[:_REACH_CHARS]
    open_ = frames
    for depth in range(len(frames) - 1, -1, -1):
        if frames[depth].kind.is_literal:
            if _is_closed(depth, text, open_, language):
                break
            open_ = open_[:depth]
    state = ScanState(frames=open_)
    found = scan(text, language, state=state, is_behind_cursor=True)
    closed = _outermost(frames, {closing.frame for closing in found.closings})
    if not is_whole:
        left = set(found.state.frames)
        closed.update(each for each in frames[:-1] if each in left)
    return frozenset(closed)


def _outermost(frames: tuple[Frame, ...], closed: set[Frame]) -> set[Frame]:
    """Return as many frames as are closed, the outermost of each kind.

    Where fewer closers stand behind the cursor than are needed, those in front of it
    are still to come, and close what is innermost.
    """
    counts = Counter((each.opener, each.columns) for each in closed)
    found = set()
    for frame in frames:
        key = (frame.opener, frame.columns)
        if counts[key]:
            counts[key] -= 1
            found.add(frame)
    return found


def _is_closed(
    depth: int, text: str, frames: tuple[Frame, ...], language: Language
) -> bool:
    """Return whether the literal at ``frames[depth]`` is closed behind the cursor.

    The next closer may be the opener of another one. In a literal that ends with its
    line, that line alone decides.
    """
    literal = frames[depth]
    rule = literal.literal
    if rule is None or not literal.closer:
        return True
    if not rule.spans_lines:
        text = text.partition("\n")[0] + "\n"
    end = text.find(literal.closer)
    if end < 0:
        return False
    if literal.opener != literal.closer and literal.kind is Kind.COMMENT:
        return not 0 <= text.find(literal.opener) < end
    inside, outside = (
        _faults(
            scan(text, language, state=ScanState(frames=open_), is_behind_cursor=True)
        )
        for open_ in (frames, frames[:depth])
    )
    if inside == outside:
        return text.count(literal.closer) % 2 == 1
    return inside < outside


def _faults(found: Scan) -> int:
    """Count the faults of a text; a string that does not end is two."""
    return found.faults + 2 * (literal_of(found.state.frames) is not None)
