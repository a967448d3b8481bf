"""The documents that the editor has open.

What the editor never opened does not exist here: nothing is ever read from disk.
"""

import logging

from lsprotocol import types

from lsp_server.errors import DocumentError, UnknownDocumentError
from lsp_server.protocol.convert import PositionEncoding
from lsp_server.protocol.document import Document, is_reversed
from lsp_server.values import Snapshot

__all__ = ["Documents"]

_log = logging.getLogger(__name__)


class Documents:
    """Follows the editor's documents; nothing here raises for what an editor sends.

    A document that got out of step is logged once and answers nothing until it is
    opened again or its full text is sent.

    Args:
        encoding: What the editor's columns count.
    """

    def __init__(self, encoding: PositionEncoding) -> None:
        """Start without documents."""
        self.encoding = encoding
        self._open: dict[str, Document] = {}
        self._told: set[str] = set()

    def open(self, item: types.TextDocumentItem) -> None:
        """Take over a document, in place of an earlier one of the same URI."""
        self._open[item.uri] = Document(item, self.encoding)
        self._told.discard(item.uri)

    def close(self, uri: str) -> None:
        """Forget a document."""
        self._open.pop(uri, None)
        self._told.discard(uri)

    def change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Apply a change; one that does not fit desynchronises the document."""
        uri = params.text_document.uri
        try:
            document = self._known(uri)
            document.change(params.text_document.version, params.content_changes)
        except DocumentError as error:
            self._tell_once(uri, error)
        else:
            if document.whole:
                self._told.discard(uri)

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
            self._tell_once(uri, error)
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

    def _tell_once(self, uri: str, error: DocumentError) -> None:
        """Log the first trouble with a document; it is told again once it healed."""
        if uri not in self._told:
            self._told.add(uri)
            _log.warning(
                "document.unusable",
                extra={"uri": uri, "error": type(error).__name__, "what": error.what},
            )
