"""The editor's open documents, kept up to date by its edits.

- A text is a list of lines: an edit costs what it touches, not what the document holds.
- A document whose edits do not fit is out of step: it gets no completions until it is
  opened again or its full text is sent.
- What the editor never opened does not exist: nothing is read from disk.
"""

import logging
import re
from collections.abc import Sequence

from lsprotocol import types

from lsp_server.errors import (
    DocumentError,
    PositionError,
    StaleChangeError,
    UnknownDocumentError,
)
from lsp_server.protocol.convert import (
    PositionEncoding,
    column_to_index,
    split_lines,
    without_line_end,
)
from lsp_server.values import Snapshot

__all__ = ["Document", "Documents", "is_reversed"]

_log = logging.getLogger(__name__)


_SURROGATES = re.compile("[\ud800-\udfff]")
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
        self._encoding = encoding
        self._lines = split_lines(_without_surrogates(item.text))
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
        """The whole text, put together anew at each call."""
        return "".join(self._lines)

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
                self._lines = split_lines(_without_surrogates(change.text))
                self._whole = True

    def snapshot(self, position: types.Position) -> Snapshot:
        """Freeze the document with the cursor at ``position``."""
        line, index = self._locate(position)
        before = "".join(self._lines[:line])
        return self._frozen(before, "".join(self._lines[line:]), len(before) + index)

    def snapshot_after(self, replaced: types.Range, text: str) -> Snapshot:
        """Freeze the document as it would be with ``text`` in place of a range.

        The cursor stands after ``text``; the document itself does not change. The
        range must not be reversed.
        """
        start_line, start = self._locate(replaced.start)
        end_line, end = self._locate(replaced.end)
        before = "".join(
            [
                *self._lines[:start_line],
                self._lines[start_line][:start],
                _without_surrogates(text),
            ]
        )
        after = "".join([self._lines[end_line][end:], *self._lines[end_line + 1 :]])
        return self._frozen(before, after, len(before))

    def _frozen(self, before: str, after: str, offset: int) -> Snapshot:
        """Put a snapshot together."""
        return Snapshot(
            uri=self._uri,
            language_id=self._language_id,
            version=self._version,
            text=before + after,
            offset=offset,
        )

    def _locate(self, position: types.Position) -> tuple[int, int]:
        """Turn a position into a line and an index in it, both within the text."""
        if position.line >= len(self._lines):
            return len(self._lines) - 1, len(self._lines[-1])
        line = without_line_end(self._lines[position.line])
        return position.line, column_to_index(line, position.character, self._encoding)

    def _edit(self, edited: types.Range, text: str) -> None:
        """Replace a range by ``text``."""
        if is_reversed(edited):
            self._whole = False
            raise PositionError(
                "a range ends before it starts", subject=self._uri, remedy=_REOPEN
            )
        first, start = self._locate(edited.start)
        last, end = self._locate(edited.end)
        head = self._lines[first][:start]
        # A carriage return before the edit may become one line end with its start.
        if first and not head and self._lines[first - 1].endswith("\r"):
            first -= 1
            head = self._lines[first]
        merged = split_lines(head + _without_surrogates(text) + self._lines[last][end:])
        # A line end of the last line's own leaves an empty line, which is the next.
        if last + 1 < len(self._lines):
            merged.pop()
        self._lines[first : last + 1] = merged


def is_reversed(checked: types.Range) -> bool:
    """Return whether a range ends before it starts."""
    start, end = checked.start, checked.end
    return (end.line, end.character) < (start.line, start.character)


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


def _without_surrogates(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can carry, by U+FFFD.

    Both take one code unit in UTF-16 and three in UTF-8, so no column moves.
    """
    if text.isascii():
        return text
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)


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
