"""What is open in front of a cursor.

The text may be cut off at its start. Where that leaves it open whether a place is in a
string or not, the answer with the fewer faults holds.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from lsp_server.language.frames import Frame, ScanState, literal_of
from lsp_server.language.grammar import Ending, Language
from lsp_server.language.scan import scan

__all__ = ["FAR_CHARS", "state_before"]

FAR_CHARS = 1 << 40
"""What is open above the cursor's line has offsets that nothing on it can have."""

_PIECE_CHARS = 500
"""How much text above the cursor is scanned, and remembered, at a time."""

_KEPT_PIECES, _KEPT_TEXTS = 16_384, 512
"""So many are kept: of hundreds of people at work, what is around each one's cursor."""


@functools.lru_cache(maxsize=_KEPT_TEXTS)
def state_before(text: str, language: Language, *, is_whole: bool) -> ScanState:
    """Return what is open at the end of ``text``, which ends with a line end.

    It stays the same while the user types in the next line, so it is kept. Pieces of
    the text that were scanned before are not scanned again, so that a new line costs
    little more than that line.

    Args:
        text: The lines above the cursor's.
        language: Their language.
        is_whole: Whether they begin where the document begins.
    """
    if language.is_prose or not text:
        return ScanState()
    head = text if is_whole else text[text.find("\n") + 1 :]
    pieces = tuple(_pieces(head))
    starts = [ScanState()]
    if not is_whole:
        starts += (
            ScanState(frames=(frame,)) for frame in _possible_starts(head, language)
        )
    ends = (_end_of(pieces, language, start) for start in starts)
    return min(ends, key=lambda each: (each.faults, each.literal_chars)).state


def _pieces(text: str) -> Iterator[str]:
    """Yield the text in pieces that end with a line, cut from its start on."""
    start = 0
    while start < len(text):
        found = text.find("\n", start + _PIECE_CHARS)
        end = found + 1 if found >= 0 else len(text)
        yield text[start:end]
        start = end


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """The result of scanning up to a place.

    Attributes:
        state: What is open there.
        faults: How many places looked wrong.
        literal_chars: How many characters stand in strings and comments, up to the
            last change.
        behind_chars: How many characters stand behind the last change.
        first_chars: How many stand in front of the first change; None without one.
    """

    state: ScanState
    faults: int = 0
    literal_chars: int = 0
    behind_chars: int = 0
    first_chars: int | None = None


def _end_of(pieces: tuple[str, ...], language: Language, start: ScanState) -> _End:
    """Scan pieces one after the other."""
    end = _End(state=start)
    for text in pieces:
        found = _end_of_piece(text, language, end.state)
        literal_chars = end.literal_chars + found.literal_chars
        behind_chars = end.behind_chars + len(text)
        if found.first_chars is not None:
            # As in `Scan.literal_chars`: only what lies between two changes counts.
            is_counted = end.first_chars is not None and literal_of(end.state.frames)
            if is_counted:
                literal_chars += end.behind_chars + found.first_chars
            behind_chars = found.behind_chars
        first_chars = end.first_chars
        end = _End(
            state=found.state,
            faults=end.faults + found.faults,
            literal_chars=literal_chars,
            behind_chars=behind_chars,
            first_chars=found.first_chars if first_chars is None else first_chars,
        )
    return end


@functools.lru_cache(maxsize=_KEPT_PIECES)
def _end_of_piece(text: str, language: Language, state: ScanState) -> _End:
    """Scan one piece.

    What opens in it gets offsets behind those of what is open before it: far in front
    of the cursor they only tell frames apart.
    """
    starts = (each.start for each in (*state.frames, *state.heredocs))
    origin = max(starts, default=-FAR_CHARS) + 1
    found = scan(text, language, state=state, origin=origin)
    changes = found.changes
    return _End(
        state=found.state,
        faults=found.faults,
        literal_chars=found.literal_chars,
        behind_chars=len(text) - (changes[-1] - origin) if changes else 0,
        first_chars=changes[0] - origin if changes else None,
    )


def _possible_starts(head: str, language: Language) -> Iterator[Frame]:
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
                start=-FAR_CHARS,
                columns=0,
                literal=literal,
            )
