"""Tells whether what was typed meanwhile can still be the beginning of a suggestion."""

import re

from lsp_server.postprocess.surroundings import nearby, with_line_feeds
from lsp_server.values import Snapshot

__all__ = ["may_begin_with"]

_BLANKS_AT_LINE_END = re.compile(r"[ \t]+(?=\n)")


def may_begin_with(written: str, typed: str, snapshot: Snapshot) -> bool:
    """Tell whether ``typed`` may be the beginning of the suggestion that is made.

    The model may still be at it, and the filters may yet take something away from the
    beginning: only what no further token can mend is a no.

    Args:
        written: What the model has written until now.
        typed: What was typed at the snapshot's cursor since.
        snapshot: The document and the cursor when the suggestion was asked for.
    """
    if not typed:
        return True
    typed = _tidy(typed)
    line = nearby(snapshot).line_before
    return any(
        begun.startswith(typed) or typed.startswith((begun, begun.rstrip(" \t")))
        for begun in map(_tidy, _readings(with_line_feeds(written), line))
    )


def _readings(written: str, line: str) -> tuple[str, ...]:
    """Give what may be left of ``written`` once filters have seen its beginning."""
    bare = written.lstrip()
    said = line.strip()
    if said and said.startswith(bare):
        return ("",)  # perhaps an echo of the line in the making
    if said and bare.startswith(said):
        rest = bare[len(said) :]
        return (written, written.lstrip(" \t"), rest, rest.lstrip(" \t"))
    return (written, written.lstrip(" \t"))


def _tidy(text: str) -> str:
    """Leave out blanks at line ends, as the filters do."""
    return _BLANKS_AT_LINE_END.sub("", with_line_feeds(text))
