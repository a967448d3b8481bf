"""An open document, kept up to date by the editor's edits.

A text is a list of lines: an edit costs what it touches, not what the document holds.
"""

from collections.abc import Sequence

from lsprotocol import types

from lsp_server.errors import (
    PositionError,
    StaleChangeError,
)
from lsp_server.protocol.document_limits import size_of
from lsp_server.protocol.lines import (
    LineColumn,
    PositionEncoding,
    TextLines,
    without_surrogates,
)
from lsp_server.values import Snapshot

__all__ = ["Document", "is_reversed"]

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

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return size_of(chars=self._lines.chars, lines=self.line_count)

    def desynchronise(self) -> None:
        """Note that a change was lost; only a full text makes the document whole."""
        self._whole = False

    def drop_text(self) -> None:
        """Forget the text, for which there is no room; it is out of step then."""
        self._whole = False
        self._lines.replace_all("")

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
    return (
        language_id.value
        if isinstance(language_id, types.LanguageKind)
        else language_id
    )


def _from_last_full_text(
    changes: Sequence[types.TextDocumentContentChangeEvent],
) -> Sequence[types.TextDocumentContentChangeEvent]:
    """Leave out the changes that a later full text overwrites."""
    for index in range(len(changes) - 1, 0, -1):
        if not isinstance(changes[index], types.TextDocumentContentChangePartial):
            return changes[index:]
    return changes
