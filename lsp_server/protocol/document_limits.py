"""The limits of an editor's documents, and its news of documents without completions.

`DocumentRoom` bounds what the documents of an editor on another machine may hold.
`DocumentsOff` sends an editor the reason why a document gets no completions, once.
"""

from collections.abc import Callable

from lsp_server.outcomes import Reason

__all__ = ["DocumentRoom", "DocumentSink", "DocumentsOff", "size_of"]

_MOST_DOCUMENTS = 1_000
_MOST_BYTES = 128 * 1024 * 1024
_LINE_BYTES = 64
"""What a line takes besides its characters."""

_MOST_OFF = 1_000
"""An editor may ask about as many as it likes that are not open."""

DocumentSink = Callable[[str, str | None], None]
"""Receives a document's URI, and why it gets no completions; None once it does."""


def size_of(*, chars: int, lines: int) -> int:
    """Return about how many bytes a text takes that is kept line by line."""
    return chars + _LINE_BYTES * lines


class DocumentRoom:
    """Room for documents, which is bounded; one message says that it is used up.

    Args:
        warn: Shows the editor's user a message.
        most_documents: Most documents.
        most_bytes: The most that they may hold together, see `size_of`.
    """

    def __init__(
        self,
        warn: Callable[[str], None],
        *,
        most_documents: int = _MOST_DOCUMENTS,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        self._warn = warn
        self._most_documents = most_documents
        self._most_bytes = most_bytes
        self._has_warned = False

    def freed(self) -> None:
        """Note that a document was closed: the next one too many is worth a message."""
        self._has_warned = False

    def holds(self, *, documents: int, size_bytes: int) -> bool:
        """Return whether there is room for so much, and warn the user if there is not.

        Args:
            documents: How many there would be.
            size_bytes: What they would hold together.
        """
        if documents <= self._most_documents and size_bytes <= self._most_bytes:
            return True
        if not self._has_warned:
            self._has_warned = True
            self._warn(
                f"Midfill: this server keeps {self._most_documents:,} documents of an "
                f"editor, and {self._most_bytes // 2**20:,} MiB of text, and has no "
                "room for more. Close documents, and open again the one that gets no "
                "completions. The others go on."
            )
        return False


class DocumentsOff:
    """Sends an editor the reason once for each document, and when it holds no longer.

    Args:
        send: Receives the news.
    """

    def __init__(self, send: DocumentSink) -> None:
        self._send = send
        self._reasons: dict[str, Reason] = {}

    def note(self, uri: str, reason: Reason | None) -> None:
        """Send the reason why a document got no completions, if the editor lacks it.

        Args:
            uri: The document of the request.
            reason: Why the request got nothing; None where it got completions.
        """
        if reason is not None and reason.of_document:
            if self._reasons.get(uri) is not reason:
                while len(self._reasons) >= _MOST_OFF:
                    del self._reasons[next(iter(self._reasons))]
                self._reasons[uri] = reason
                self._send(uri, reason.sentence)
        elif self._reasons.pop(uri, None) is not None:
            self._send(uri, None)

    def forget(self, uri: str) -> None:
        """Forget a document that was closed."""
        self._reasons.pop(uri, None)
