"""What a headless client gets back for a request."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from lsprotocol import types

from lsp_server.outcomes import RequestTimings
from lsp_server.protocol.document import Document
from lsp_server.protocol.lines import PositionEncoding

__all__ = ["Answer", "PendingAnswer", "Suggestion", "read_suggestions"]


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
