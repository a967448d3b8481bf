"""Ends a stream of text: at a stop string, or at a line that is indented too little.

What may still become a stop string is held back, so that none is ever half sent,
however the text is split.
"""

from collections.abc import Sequence

__all__ = ["IndentRule", "StopStrings"]


class StopStrings:
    """Cuts a stream of text before the first stop string.

    Args:
        stops: The stop strings, none of them empty.

    Attributes:
        found: The stop string that ended the text; empty while it goes on.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        """Start an empty stream."""
        self.found = ""
        self._stops = tuple(stops)
        self._held = ""

    def feed(self, text: str) -> str:
        """Add text, and return what is certain not to belong to a stop string."""
        text = self._held + text
        at = len(text)
        for stop in self._stops:
            found = text.find(stop)
            if 0 <= found < at:
                at, self.found = found, stop
        if self.found:
            self._held = ""
            return text[:at]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        """End the stream, and return what was held back."""
        held, self._held = self._held, ""
        return held


class IndentRule:
    """Cuts a stream of text before a line that is indented less than the first one.

    As llama.cpp's ``n_indent``: an empty line counts as indented too little, and the
    line of the cursor does not count.

    Args:
        min_indent: The fewest blanks or tabs; 0 lets every line pass.

    Attributes:
        cut: Whether such a line has come.
    """

    def __init__(self, min_indent: int) -> None:
        self.cut = False
        self._min_indent = min_indent
        self._indent: int | None = None  # None within a line's text
        self._held = ""

    def feed(self, text: str) -> str:
        """Add text, and return what is certain to be kept."""
        if not self._min_indent:
            return text
        kept = ""
        for char in text:
            if self._indent is None:
                kept += char
            elif char in " \t":
                self._indent += 1
                self._held += char
                continue
            elif self._indent < self._min_indent:
                self.cut = True
                return kept
            else:
                kept += self._held + char
            self._held = ""
            self._indent = 0 if char == "\n" else None
        return kept

    def finish(self) -> str:
        """End the stream, and return what was held back."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Return how much of a stop string's beginning the text ends with."""
    longest = min(len(text), len(stop) - 1)
    return next(
        (size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0
    )
