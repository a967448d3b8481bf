"""The documents that a headless client has open, and the answers that it gets."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lsprotocol import types

from lsp_server.errors import ClientError
from lsp_server.operating_system import open_regular, reason_of
from lsp_server.outcomes import RequestTimings
from lsp_server.protocol.convert import position_at, range_at
from lsp_server.protocol.document import Document
from lsp_server.protocol.lines import PositionEncoding

__all__ = [
    "Answer",
    "OpenFile",
    "PendingAnswer",
    "Suggestion",
    "read_source",
    "read_suggestions",
]


def read_source(path: Path) -> str:
    """Read a source file as an editor does.

    Line ends stay as they are. A byte order mark is no part of the text: editors
    leave it out, and count columns without it.

    Raises:
        ClientError: It cannot be read, or is not UTF-8.
    """
    try:
        with open_regular(path) as file:
            return file.read().decode("utf-8-sig")
    except OSError as exc:
        raise ClientError(
            f"the file cannot be read ({reason_of(exc)})",
            subject=str(path),
            remedy="Name a text file that this user can read",
        ) from exc
    except UnicodeDecodeError as exc:
        raise ClientError(
            f"the file is not UTF-8 (byte {exc.start})",
            subject=str(path),
            remedy="Completions need a text file in UTF-8",
        ) from exc


@dataclass(slots=True, kw_only=True)
class OpenFile:
    """A document that is open in the client.

    Attributes:
        uri: Its URI.
        language_id: Its language, as LSP names it.
        text: Its text at the moment.
        version: Counts the edits, from 1.
    """

    uri: str
    language_id: str
    text: str
    version: int = 1

    def item(self) -> types.TextDocumentItem:
        """Describe it as it stands, as LSP does."""
        return types.TextDocumentItem(
            uri=self.uri,
            language_id=self.language_id,
            version=self.version,
            text=self.text,
        )

    def edit(
        self, start: int, end: int, text: str, encoding: PositionEncoding
    ) -> types.DidChangeTextDocumentParams:
        """Replace the text between two offsets, and return what a server gets."""
        replaced = range_at(self.text, start, end, encoding)
        self.text = self.text[:start] + text + self.text[end:]
        self.version += 1
        return types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(
                uri=self.uri, version=self.version
            ),
            content_changes=[
                types.TextDocumentContentChangePartial(range=replaced, text=text)
            ],
        )

    def cursor(
        self, offset: int, encoding: PositionEncoding
    ) -> types.TextDocumentPositionParams:
        """Return what a server gets of a cursor, given in code points."""
        return types.TextDocumentPositionParams(
            text_document=types.TextDocumentIdentifier(uri=self.uri),
            position=position_at(self.text, offset, encoding),
        )

    def closing(self) -> types.DidCloseTextDocumentParams:
        """Return what a server gets when the document is closed."""
        return types.DidCloseTextDocumentParams(
            text_document=types.TextDocumentIdentifier(uri=self.uri)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One suggestion, in terms of the text that it was asked for.

    Attributes:
        text: What would be inserted.
        start: From where it replaces the text, in code points.
        end: Up to where it replaces the text, in code points.
        completion_id: What the server calls it; empty if it has no name for it.
    """

    text: str
    start: int
    end: int
    completion_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one request.

    Attributes:
        suggestions: The server's items in their order.
        timings: What the server measured; None where it completed nothing.
        cancelled: Whether the server confirmed a cancellation.
        round_trip_ms: From sending the request to having the reply, in milliseconds.
        reason: Why nothing is suggested; None where something is, or nobody asked why.
    """

    suggestions: tuple[Suggestion, ...]
    timings: RequestTimings | None
    cancelled: bool
    round_trip_ms: float
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAnswer:
    """A request that was sent.

    Attributes:
        request_id: Its id in the protocol.
        answer: Yields the answer.
    """

    request_id: int
    answer: asyncio.Task[Answer]


def read_suggestions(
    result: object,
    item: types.TextDocumentItem,
    offset: int,
    *,
    encoding: PositionEncoding,
) -> tuple[Suggestion, ...]:
    """Turn the result of ``textDocument/inlineCompletion`` into suggestions.

    Args:
        result: The server's: a list, items, or None.
        item: The document as it was when the request was sent.
        offset: The cursor then, in code points.
        encoding: What the result's columns count.
    """
    if isinstance(result, types.InlineCompletionList):
        result = result.items
    if not isinstance(result, Sequence) or not result:
        return ()
    document = Document(item, encoding)
    return tuple(
        _suggestion(value, document, offset)
        for value in result
        if isinstance(value, types.InlineCompletionItem)
    )


def _suggestion(
    item: types.InlineCompletionItem, document: Document, offset: int
) -> Suggestion:
    """Put an item in terms of the document's text; a snippet's text stands as it is."""
    text = item.insert_text
    return Suggestion(
        text=text if isinstance(text, str) else text.value,
        start=document.snapshot(item.range.start).offset if item.range else offset,
        end=document.snapshot(item.range.end).offset if item.range else offset,
        completion_id=_id_of(item),
    )


def _id_of(item: types.InlineCompletionItem) -> str:
    """Return the id in the arguments of an item's command."""
    match item.command.arguments if item.command else None:
        case [{"id": str(completion_id)}]:
            return completion_id
    return ""
