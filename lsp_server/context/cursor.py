"""The text around a cursor, scanned once, which trigger, stop rule and filters read."""

import functools
from dataclasses import dataclass
from typing import Self

from lsp_server.language.closed_behind import closed_behind
from lsp_server.language.frames import Frame, Scan, ScanState, literal_of
from lsp_server.language.grammar import Kind, Language
from lsp_server.language.languages import language_of
from lsp_server.language.lines import columns_of
from lsp_server.language.scan import scan
from lsp_server.language.surroundings import state_before
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot

__all__ = ["CursorContext", "indentation_of"]

_REACH_CHARS = 20_000
"""How far the context reaches to either side of the cursor."""

_STEP_CHARS = 4_096
"""The scan above the cursor begins at a multiple of it, so that typing moves it not."""

_JUDGED_LINES = 40
"""How many lines below the cursor tell whether a text fits in front of them."""

_KEPT_SCANS = 512
"""Trigger, stop rule and filters ask for the same text: so many scans are kept."""

indentation_of = columns_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorContext:
    """The lines around one cursor, and what the cursor is in, made once a request.

    Its size is limited, so using it costs the same in a document of any size. No line
    holds its line end.

    Attributes:
        language_id: The editor's language id, ``python`` for example.
        language: The lexical rules of that language.
        line_before: The cursor's line left of the cursor.
        line_after: The cursor's line right of the cursor.
        lines_above: The lines above the cursor's line, the nearest first.
        lines_below: The lines below the cursor's line, the nearest first.
        line_state: What is open at the start of the cursor's line.
        frames: The brackets, blocks and literals that are open at the cursor, the
            innermost last.
        closed_behind: Those of ``frames`` that the text behind the cursor closes. A
            completion must not close them too.
    """

    language_id: str
    language: Language
    line_before: str
    line_after: str
    lines_above: tuple[str, ...]
    lines_below: tuple[str, ...]
    line_state: ScanState
    frames: tuple[Frame, ...]
    closed_behind: frozenset[Frame]

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Return the context of the snapshot's cursor."""
        text, offset = snapshot.text, snapshot.offset
        language = language_of(snapshot.language_id)
        before = with_line_feeds(text[max(0, offset - _REACH_CHARS) : offset])
        after = with_line_feeds(text[offset : offset + _REACH_CHARS])
        *above, line_before = before.split("\n")
        line_after, *below = after.split("\n")
        line_start = offset - len(snapshot.line_before)
        scan_start = max(0, line_start - _REACH_CHARS) // _STEP_CHARS * _STEP_CHARS
        line_state = state_before(
            with_line_feeds(text[scan_start:line_start]),
            language,
            is_whole=scan_start == 0,
        )
        frames = _scan_line(line_before, "", language, line_state).state.frames
        return cls(
            language_id=snapshot.language_id,
            language=language,
            line_before=line_before,
            line_after=line_after,
            lines_above=tuple(reversed(above)),
            lines_below=tuple(below),
            line_state=line_state,
            frames=frames,
            closed_behind=closed_behind(
                after,
                frames,
                language,
                is_whole=offset + _REACH_CHARS >= len(text),
            ),
        )

    def scan(self, text: str) -> Scan:
        """Scan ``text`` as if it stood at the cursor.

        Offsets are those in ``text``; what opened before the cursor has negative ones.
        """
        return _scan_line(self.line_before, text, self.language, self.line_state)

    def faults_with(self, text: str) -> int:
        """Count what is wrong, or left open, if ``text`` is inserted at the cursor."""
        behind = (self.line_after, *self.lines_below[:_JUDGED_LINES])
        found = self.scan(text + "\n".join(behind))
        return found.faults + len(found.state.frames)

    def closed_behind_with(self, text: str) -> frozenset[Frame]:
        """Return what ``text`` leaves open and the text behind the cursor closes."""
        behind = "\n".join((self.line_after, *self.lines_below))
        return closed_behind(
            behind,
            self.scan(text).state.frames,
            self.language,
            is_whole=len(behind) < _REACH_CHARS // 2,
        )

    def opens_block(self, line: str) -> bool:
        """Return whether a whole line of code is the head of a block, or ends one.

        A comment at its end does not count.
        """
        found = scan(line, self.language)
        literal = literal_of(found.state.frames)
        is_comment = literal is not None and literal.kind is Kind.COMMENT
        code = line[: literal.start] if literal and is_comment else line
        return self.language.opens_block(code)

    @property
    def closed_next(self) -> frozenset[Frame]:
        """Those of `closed_behind` whose closers are the next text behind the cursor.

        An editor inserts such closers when an opener is typed.
        """
        found: set[Frame] = set()
        behind = "".join((self.line_after, *self.lines_below[:_JUDGED_LINES])).lstrip()
        for frame in reversed(self.frames):
            if frame not in self.closed_behind or not behind.startswith(frame.closer):
                break
            found.add(frame)
            behind = behind.removeprefix(frame.closer).lstrip()
        return frozenset(found)

    @property
    def literal(self) -> Frame | None:
        """The string, comment or other literal that the cursor is in; None in code."""
        return literal_of(self.frames)

    @property
    def kind(self) -> Kind:
        """What the cursor is in: code, or which kind of literal."""
        return self.literal.kind if self.literal else Kind.CODE

    @property
    def indentation(self) -> int:
        """The indentation of the cursor's line left of the cursor, in columns."""
        return indentation_of(self.line_before)

    @property
    def code_above(self) -> str:
        """The nearest line above that is not blank; empty where there is none."""
        return next((line for line in self.lines_above if line.strip()), "")

    @property
    def code_below(self) -> str:
        """The nearest line below that is not blank; empty where there is none."""
        return next((line for line in self.lines_below if line.strip()), "")

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing but white space around the cursor."""
        here = (self.line_before + self.line_after).strip()
        return not (here or self.code_above or self.code_below)


@functools.lru_cache(maxsize=_KEPT_SCANS)
def _scan_line(line: str, text: str, language: Language, state: ScanState) -> Scan:
    """Scan ``text`` behind the beginning of its line."""
    return scan(line + text, language, state=state, origin=-len(line))
