"""What the user types at the cursor while a completion is being generated."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

__all__ = ["TypedAhead"]


class TypedAhead:
    """The text that was typed at a request's cursor since the request came in.

    Whoever generates asks it what was typed and is told when that changes; a generation
    that cannot begin with that text any more is of no use to anybody.
    """

    def __init__(self) -> None:
        """Begin with nothing typed."""
        self._text = ""
        self._watchers: set[Callable[[], None]] = set()

    @property
    def text(self) -> str:
        """What was typed until now."""
        return self._text

    def type(self, text: str) -> None:
        """Note all that was typed since the request, and tell the watchers."""
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
