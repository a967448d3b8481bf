"""What stands around the cursor, in the terms that the filters think in."""

import re
from dataclasses import replace

from lsp_server.values import Snapshot

__all__ = [
    "TRIPLE_QUOTES",
    "following_lines",
    "indentation",
    "nearby",
    "preceding_lines",
    "uses_braces",
    "with_line_feeds",
]

TRIPLE_QUOTES = ('"""', "'''")
"""What Python's strings over several lines begin and end with."""

_NEARBY_CHARS = 20_000
_INDENT_LANGUAGES = frozenset({"python", "yaml", "coffeescript", "nim", "gdscript"})
_TAB_WIDTH = 4
_BLANKS = re.compile(r"[ \t]*")


def nearby(snapshot: Snapshot) -> Snapshot:
    r"""Give the snapshot cut to what lies around the cursor, with ``\n`` line ends.

    Its offset is the cursor's place in the shorter text. Whatever the size of a
    document, looking at this costs the same.
    """
    start = max(0, snapshot.offset - _NEARBY_CHARS)
    before = snapshot.text[start : snapshot.offset]
    after = snapshot.text[snapshot.offset : snapshot.offset + _NEARBY_CHARS]
    before, after = with_line_feeds(before), with_line_feeds(after)
    return replace(snapshot, text=before + after, offset=len(before))


def preceding_lines(snapshot: Snapshot) -> list[str]:
    """Give the lines above the cursor's line, the nearest first."""
    return snapshot.before.split("\n")[-2::-1]


def following_lines(snapshot: Snapshot) -> list[str]:
    """Give the lines below the cursor's line, the nearest first."""
    return snapshot.after.split("\n")[1:]


def indentation(line: str) -> int:
    """Give the width of the blanks that ``line`` begins with, in columns."""
    blanks = _BLANKS.match(line)
    return len(blanks[0].expandtabs(_TAB_WIDTH)) if blanks else 0


def uses_braces(snapshot: Snapshot) -> bool:
    """Tell whether blocks of the document's language stand in braces."""
    return snapshot.language_id not in _INDENT_LANGUAGES


def with_line_feeds(text: str) -> str:
    r"""Write every line end as ``\n``."""
    if "\r" not in text:
        return text
    return text.replace("\r\n", "\n").replace("\r", "\n")
