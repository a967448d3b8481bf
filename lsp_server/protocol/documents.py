"""The editor's open documents.

- A document whose edits do not fit is out of step: it gets no completions until it is
  opened again or its full text is sent.
- What the editor never opened does not exist: nothing is read from disk.
- How much there may be of an editor on another machine is bounded.
"""

import logging

from lsprotocol import types

from lsp_server.errors import DocumentError, UnknownDocumentError
from lsp_server.protocol.document import Document, is_reversed
from lsp_server.protocol.document_limits import DocumentRoom
from lsp_server.protocol.lines import PositionEncoding
from lsp_server.values import Snapshot

__all__ = ["Documents"]

_log = logging.getLogger(__name__)

_MOST_LOGGED = 1_000
"""Of documents that are not open: an editor may name as many as it likes."""


class Documents:
    """Follows the editor's documents; nothing here raises for what an editor sends.

    A document that got out of step is logged once.

    Args:
        encoding: What the editor's columns count.
    """

    def __init__(self, encoding: PositionEncoding) -> None:
        self.encoding = encoding
        self._room: DocumentRoom | None = None
        self._open: dict[str, Document] = {}
        self._size_bytes = 0
        self._logged: set[str] = set()

    def bound(self, room: DocumentRoom) -> None:
        """Open and keep no more than there is room for."""
        self._room = room

    @property
    def uris(self) -> tuple[str, ...]:
        """The open documents."""
        return tuple(self._open)

    def open(self, item: types.TextDocumentItem) -> None:
        """Open a document, if there is room; it replaces an open one of the same URI.

        One that there is no room for is not open afterwards, and all others are.
        """
        self.close(item.uri)
        document = Document(item, self.encoding)
        if self._fits(document.size_bytes, documents=len(self._open) + 1):
            self._open[item.uri] = document
            self._size_bytes += document.size_bytes

    def close(self, uri: str) -> None:
        """Forget a document."""
        if (document := self._open.pop(uri, None)) is not None:
            self._size_bytes -= document.size_bytes
            if self._room is not None:
                self._room.freed()
        self._logged.discard(uri)

    def change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Apply a change; one that does not fit desynchronises the document."""
        uri = params.text_document.uri
        try:
            document = self._known(uri)
            self._size_bytes -= document.size_bytes
            try:
                document.change(params.text_document.version, params.content_changes)
            finally:
                if not self._fits(document.size_bytes, documents=len(self._open)):
                    document.drop_text()
                self._size_bytes += document.size_bytes
        except DocumentError as error:
            self._log_once(uri, error)
        else:
            if document.whole:
                self._logged.discard(uri)

    def _fits(self, size_bytes: int, *, documents: int) -> bool:
        """Return whether there is room for so much more, in so many documents."""
        size_bytes += self._size_bytes
        room = self._room
        return room is None or room.holds(documents=documents, size_bytes=size_bytes)

    def desynchronise(self, uri: str) -> None:
        """Note that a message about a document could not be read."""
        if uri in self._open:
            self._open[uri].desynchronise()

    def snapshot(self, uri: str, position: types.Position) -> Snapshot | None:
        """Freeze a document; None if it is unknown or desynchronised."""
        document = self._whole(uri)
        return document.snapshot(position) if document else None

    def snapshot_after(
        self, uri: str, replaced: types.Range, text: str
    ) -> Snapshot | None:
        """Freeze a document as it would be with ``text`` in place of a range.

        None if the document is unknown or desynchronised, or the range reversed.
        """
        document = self._whole(uri)
        if document is None or is_reversed(replaced):
            return None
        return document.snapshot_after(replaced, text)

    def current(self, uri: str) -> Document | None:
        """Return an open document that can be completed in; None where there is none.

        A document that was closed and opened again is another one.
        """
        document = self._open.get(uri)
        return document if document is not None and document.whole else None

    def _whole(self, uri: str) -> Document | None:
        """Return the document if it can be completed in."""
        try:
            document = self._known(uri)
        except DocumentError as error:
            self._log_once(uri, error)
            return None
        return document if document.whole else None

    def _known(self, uri: str) -> Document:
        """Return an open document."""
        try:
            return self._open[uri]
        except KeyError as exc:
            raise UnknownDocumentError(
                "the editor never opened it",
                subject=uri,
                remedy="Send textDocument/didOpen first",
            ) from exc

    def _log_once(self, uri: str, error: DocumentError) -> None:
        """Log a document's first error, and the next one only after it was whole."""
        is_new = uri in self._open or len(self._logged) < _MOST_LOGGED
        if uri not in self._logged and is_new:
            self._logged.add(uri)
            _log.warning(
                "document.unusable",
                extra={"uri": uri, "error": type(error).__name__, "what": error.what},
            )
