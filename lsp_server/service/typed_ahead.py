"""Text that the user types while a completion is generated.

A user who types the beginning of the suggestion still gets the rest of it. One who
types anything else has no use for it, so its generation is aborted.
"""

import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from lsp_server.context.cursor import CursorContext
from lsp_server.service.debounce import TypingPace
from lsp_server.text import with_line_feeds

__all__ = ["TypedAhead", "may_begin_with"]

_BLANKS_AT_LINE_END = re.compile(r"[ \t]+(?=\n)")


class TypedAhead:
    """The text typed at a request's cursor since the request came in.

    Args:
        arrived_s: When it came in, by ``time.perf_counter``; now by default.
        pace: How fast the user types; None where that is not known.
        follows_accept: Whether nothing was typed since a suggestion was accepted here.
    """

    def __init__(
        self,
        arrived_s: float | None = None,
        *,
        pace: TypingPace | None = None,
        follows_accept: bool = False,
    ) -> None:
        self.arrived_s = time.perf_counter() if arrived_s is None else arrived_s
        self.pace = pace
        self.follows_accept = follows_accept
        self._text = ""
        self._watchers: set[Callable[[], None]] = set()

    @property
    def text(self) -> str:
        """All that was typed until now."""
        return self._text

    def type(self, text: str) -> None:
        """Set all that was typed since the request, and call the watchers."""
        if text != self._text:
            self._text = text
            for watcher in tuple(self._watchers):
                watcher()

    @contextmanager
    def watched(self, watcher: Callable[[], None]) -> Generator[None]:
        """Call ``watcher`` whenever the text changes, within the block."""
        self._watchers.add(watcher)
        try:
            yield
        finally:
            self._watchers.discard(watcher)


def may_begin_with(written: str, typed: str, cursor: CursorContext) -> bool:
    """Return whether the suggestion may still begin with ``typed``.

    The generation may not be done, and the filters may yet cut the beginning of its
    text, so False means: whatever is generated next, it will not.

    Args:
        written: What the model has written until now.
        typed: What was typed at the cursor since the request.
        cursor: The cursor when the suggestion was requested.
    """
    if not typed:
        return True
    typed = _without_line_end_blanks(typed)
    starts = _possible_starts(with_line_feeds(written), cursor.line_before)
    return any(
        start.startswith(typed) or typed.startswith((start, start.rstrip(" \t")))
        for start in map(_without_line_end_blanks, starts)
    )


def _possible_starts(written: str, line: str) -> tuple[str, ...]:
    """Return what `trim` may leave of the beginning of ``written``."""
    bare = written.lstrip()
    typed = line.strip()
    if typed and typed.startswith(bare):
        return ("",)  # it may become a repeat of the cursor's line, which is cut
    if typed and bare.startswith(typed):
        rest = bare[len(typed) :]
        return (written, written.lstrip(" \t"), rest, rest.lstrip(" \t"))
    return (written, written.lstrip(" \t"))


def _without_line_end_blanks(text: str) -> str:
    """Strip blanks at line ends, as the filters do."""
    return _BLANKS_AT_LINE_END.sub("", with_line_feeds(text))
