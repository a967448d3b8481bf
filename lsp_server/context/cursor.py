"""The lines around a cursor, which trigger, stop rule and filters decide by."""

import re
from dataclasses import dataclass
from typing import Self

from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot

__all__ = ["TRIPLE_QUOTES", "CursorContext", "indentation_of"]

TRIPLE_QUOTES = ('"""', "'''")
"""The quotes of Python's strings over several lines."""

_REACH_CHARS = 20_000
"""How far the context reaches to either side of the cursor."""

_INDENT_LANGUAGES = frozenset({"python", "yaml", "coffeescript", "nim", "gdscript"})
_TAB_WIDTH = 4
_BLANKS = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorContext:
    """The lines around one cursor, made once for each request.

    Its size is limited, so using it costs the same in a document of any size. No line
    holds its line end.

    Attributes:
        language_id: The editor's language id, ``python`` for example.
        line_before: The cursor's line left of the cursor.
        line_after: The cursor's line right of the cursor.
        lines_above: The lines above the cursor's line, the nearest first.
        lines_below: The lines below the cursor's line, the nearest first.
    """

    language_id: str
    line_before: str
    line_after: str
    lines_above: tuple[str, ...]
    lines_below: tuple[str, ...]

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Return the context of the snapshot's cursor."""
        text, offset = snapshot.text, snapshot.offset
        before = with_line_feeds(text[max(0, offset - _REACH_CHARS) : offset])
        after = with_line_feeds(text[offset : offset + _REACH_CHARS])
        *above, line_before = before.split("\n")
        line_after, *below = after.split("\n")
        return cls(
            language_id=snapshot.language_id,
            line_before=line_before,
            line_after=line_after,
            lines_above=tuple(reversed(above)),
            lines_below=tuple(below),
        )

    @property
    def indentation(self) -> int:
        """The indentation of the cursor's line left of the cursor, in columns."""
        return indentation_of(self.line_before)

    @property
    def uses_braces(self) -> bool:
        """Whether the language encloses blocks in braces, not by indentation."""
        return self.language_id not in _INDENT_LANGUAGES

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


def indentation_of(line: str) -> int:
    """Return the width of the blanks at the start of ``line``, in columns."""
    blanks = _BLANKS.match(line)
    return len(blanks[0].expandtabs(_TAB_WIDTH)) if blanks else 0
