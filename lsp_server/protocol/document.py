"""The editor's open documents, kept up to date by its edits.

- A text is a list of lines: an edit costs what it touches, not what the document holds.
- A document whose edits do not fit is out of step: it gets no completions until it is
  opened again or its full text is sent.
- What the editor never opened does not exist: nothing is read from disk.
"""

import logging
from collections.abc import Sequence

from lsprotocol import types

from lsp_server.errors import (
    DocumentError,
    PositionError,
    StaleChangeError,
    UnknownDocumentError,
)
from lsp_server.protocol.lines import (
    LineColumn,
    PositionEncoding,
    TextLines,
    without_surrogates,
)
from lsp_server.values import Snapshot

__all__ = ["Document", "Documents", "is_reversed"]

_log = logging.getLogger(__name__)


_REOPEN = "Close and open the document again"


class Document:
    """A document as the editor has it, or one that got out of step with the editor.

    Args:
        item: What the editor opened.
        encoding: What the editor's columns count.
    """

    def __init__(
        self, item: types.TextDocumentItem, encoding: PositionEncoding
    ) -> None:
        """Hold the opened text."""
        self._uri = item.uri
        self._language_id = _name(item.language_id)
        self._version = item.version
        self._lines = TextLines(item.text, encoding)
        self._whole = True

    @property
    def whole(self) -> bool:
        """Whether the text is the editor's."""
        return self._whole

    @property
    def version(self) -> int:
        """The version that the editor counted last."""
        return self._version

    @property
    def text(self) -> str:
        """The whole text."""
        return self._lines.text

    @property
    def line_count(self) -> int:
        """The number of lines."""
        return len(self._lines.lines)

    def desynchronise(self) -> None:
        """Note that a change was lost; only a full text makes the document whole."""
        self._whole = False

    def change(
        self,
        version: int,
        changes: Sequence[types.TextDocumentContentChangeEvent],
    ) -> None:
        """Apply the changes of one notification, in their order.

        The document is desynchronised when they cannot be applied, and stays so until
        a change brings the full text.

        Raises:
            StaleChangeError: ``version`` is not newer than the one held.
            PositionError: A range ends before it starts.
        """
        if version <= self._version:
            self._whole = False
            raise StaleChangeError(
                f"a change has version {version}, but {self._version} is held",
                subject=self._uri,
                remedy=_REOPEN,
            )
        self._version = version
        for change in _from_last_full_text(changes):
            if isinstance(change, types.TextDocumentContentChangePartial):
                if self._whole:
                    self._edit(change.range, change.text)
            else:
                self._lines.replace_all(change.text)
                self._whole = True

    def snapshot(self, position: types.Position) -> Snapshot:
        """Freeze the document with the cursor at ``position``."""
        return self._frozen(self.text, self._lines.offset_at(_line_column(position)))

    def snapshot_after(self, replaced: types.Range, text: str) -> Snapshot:
        """Freeze the document as it would be with ``text`` in place of a range.

        The cursor stands after ``text``; the document itself does not change. The
        range must not be reversed.
        """
        start = self._lines.offset_at(_line_column(replaced.start))
        end = self._lines.offset_at(_line_column(replaced.end))
        before = self.text[:start] + without_surrogates(text)
        return self._frozen(before + self.text[end:], len(before))

    def _frozen(self, text: str, offset: int) -> Snapshot:
        """Put a snapshot together."""
        return Snapshot(
            uri=self._uri,
            language_id=self._language_id,
            version=self._version,
            text=text,
            offset=offset,
        )

    def _edit(self, edited: types.Range, text: str) -> None:
        """Replace a range by ``text``."""
        if is_reversed(edited):
            self._whole = False
            raise PositionError(
                "a range ends before it starts", subject=self._uri, remedy=_REOPEN
            )
        start, end = _line_column(edited.start), _line_column(edited.end)
        self._lines.replace(start, end, text)


def is_reversed(checked: types.Range) -> bool:
    """Return whether a range ends before it starts."""
    return _line_column(checked.end) < _line_column(checked.start)


def _line_column(position: types.Position) -> LineColumn:
    """Return a position without LSP's class."""
    return LineColumn(position.line, position.character)


def _name(language_id: types.LanguageKind | str) -> str:
    """Return a language id as the editor wrote it."""
    if isinstance(language_id, types.LanguageKind):
        return language_id.value
    return language_id


def _from_last_full_text(
    changes: Sequence[types.TextDocumentContentChangeEvent],
) -> Sequence[types.TextDocumentContentChangeEvent]:
    """Leave out the changes that a later full text overwrites."""
    for index in range(len(changes) - 1, 0, -1):
        if not isinstance(changes[index], types.TextDocumentContentChangePartial):
            return changes[index:]
    return changes


class Documents:
    """Follows the editor's documents; nothing here raises for what an editor sends.

    A document that got out of step is logged once.

    Args:
        encoding: What the editor's columns count.
    """

    def __init__(self, encoding: PositionEncoding) -> None:
        """Start without documents."""
        self.encoding = encoding
        self._open: dict[str, Document] = {}
        self._logged: set[str] = set()

    @property
    def uris(self) -> tuple[str, ...]:
        """The open documents."""
        return tuple(self._open)

    def open(self, item: types.TextDocumentItem) -> None:
        """Open a document; it replaces an open one of the same URI."""
        self._open[item.uri] = Document(item, self.encoding)
        self._logged.discard(item.uri)

    def close(self, uri: str) -> None:
        """Forget a document."""
        self._open.pop(uri, None)
        self._logged.discard(uri)

    def change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Apply a change; one that does not fit desynchronises the document."""
        uri = params.text_document.uri
        try:
            document = self._known(uri)
            document.change(params.text_document.version, params.content_changes)
        except DocumentError as error:
            self._log_once(uri, error)
        else:
            if document.whole:
                self._logged.discard(uri)

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
        if uri not in self._logged:
            self._logged.add(uri)
            _log.warning(
                "document.unusable",
                extra={"uri": uri, "error": type(error).__name__, "what": error.what},
            )
