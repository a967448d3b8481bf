"""Which documents get no completions, and whether the editor was told why."""

from collections.abc import Callable

from lsp_server.outcomes import Reason

__all__ = ["DocumentSink", "DocumentsOff"]

_MOST = 1_000
"""An editor may ask about as many as it likes that are not open."""

DocumentSink = Callable[[str, str | None], None]
"""Receives a document's URI, and why it gets no completions; None once it does."""


class DocumentsOff:
    """Tells an editor once for each document, and again when it gets completions.

    Args:
        tell: Receives the news.
    """

    def __init__(self, tell: DocumentSink) -> None:
        """Start without such documents."""
        self._tell = tell
        self._reasons: dict[str, Reason] = {}

    def note(self, uri: str, reason: Reason | None) -> None:
        """Take note of what came of a request; None for items."""
        if reason is not None and reason.of_document:
            if self._reasons.get(uri) is not reason:
                while len(self._reasons) >= _MOST:
                    del self._reasons[next(iter(self._reasons))]
                self._reasons[uri] = reason
                self._tell(uri, reason.sentence)
        elif self._reasons.pop(uri, None) is not None:
            self._tell(uri, None)

    def forget(self, uri: str) -> None:
        """Forget a document that was closed."""
        self._reasons.pop(uri, None)
