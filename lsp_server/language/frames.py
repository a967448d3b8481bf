"""What a scan says of a text: which brackets, blocks and literals are open where."""

import bisect
from dataclasses import dataclass

from lsp_server.language.grammar import Kind, Literal

__all__ = ["Closing", "Frame", "Scan", "ScanState", "literal_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A bracket, a block's word or a literal that is open.

    Attributes:
        kind: What it is.
        opener: The text that opened it.
        closer: The text that closes it; empty where its end is no text.
        start: The offset of the opener, counted from the cursor; in front of it a
            negative number, which above the cursor's line only tells frames apart.
        columns: How far the line of the opener is indented.
        literal: The rule of a literal; None for brackets and blocks.
    """

    kind: Kind
    opener: str
    closer: str
    start: int
    columns: int
    literal: Literal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """The place where a frame is closed by its closer.

    Attributes:
        offset: Where the closer begins.
        frame: What it closes.
    """

    offset: int
    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanState:
    """All that a scan must know of the text before the one it scans.

    Attributes:
        frames: What is open, the innermost last.
        heredocs: What begins at the next line.
    """

    frames: tuple[Frame, ...] = ()
    heredocs: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What is open at each place of a text.

    Attributes:
        state: What is open at the end.
        changes: The offsets at which something opens or closes, ascending.
        stacks: What is open from each of ``changes`` on, the innermost last.
        first: What is open before the first change.
        closings: Where frames of the text before this one are closed.
        strays: The offsets of brackets that close nothing.
        faults: How many places look wrong: strays, brackets closed by others, and
            strings that end with their line.
    """

    state: ScanState
    first: tuple[Frame, ...]
    changes: tuple[int, ...]
    stacks: tuple[tuple[Frame, ...], ...]
    closings: tuple[Closing, ...]
    strays: tuple[int, ...]
    faults: int

    def frames_at(self, offset: int) -> tuple[Frame, ...]:
        """Return what is open before the character at ``offset``, innermost last."""
        at = bisect.bisect_right(self.changes, offset)
        return self.stacks[at - 1] if at else self.first

    def literal_at(self, offset: int) -> Frame | None:
        """Return the literal that the place before ``offset`` is in; None for code."""
        return literal_of(self.frames_at(offset))

    @property
    def literal_chars(self) -> int:
        """How many characters stand in strings and comments, up to the last change."""
        spans = zip(self.changes, self.changes[1:], self.stacks, strict=False)
        return sum(end - at for at, end, stack in spans if literal_of(stack))


def literal_of(frames: tuple[Frame, ...]) -> Frame | None:
    """Return the innermost of ``frames`` if it is a literal."""
    return frames[-1] if frames and frames[-1].kind.is_literal else None
