"""What a headless client gets back for a request."""

import asyncio
from dataclasses import dataclass

from cattrs import Converter
from lsprotocol import types

from lsp_server.client.server_process import Reply
from lsp_server.errors import AnswerError
from lsp_server.outcomes import RequestTimings
from lsp_server.protocol.document import Document
from lsp_server.protocol.lines import PositionEncoding

__all__ = ["Answer", "PendingAnswer", "Suggestion", "read_suggestions"]

_CANCELLED: int = types.LSPErrorCodes.RequestCancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One suggestion, in terms of the text that it was asked for.

    Attributes:
        text: What would be inserted.
        start: From where it replaces the text, in code points.
        end: Up to where it replaces the text, in code points.
    """

    text: str
    start: int
    end: int


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
    reply: Reply,
    item: types.TextDocumentItem,
    offset: int,
    *,
    encoding: PositionEncoding,
    converter: Converter,
) -> tuple[Suggestion, ...] | None:
    """Turn a reply into suggestions; None if the request was cancelled.

    Args:
        reply: The server's reply.
        item: The document as it was when the request was sent.
        offset: The cursor then, in code points.
        encoding: What the reply's columns count.
        converter: lsprotocol's.

    Raises:
        AnswerError: The reply is another error.
    """
    if reply.error_code == _CANCELLED:
        return None
    if reply.error_code is not None:
        raise AnswerError(
            f"the server answered with error {reply.error_code}, "
            f"{reply.error_message!r}",
            subject=types.TEXT_DOCUMENT_INLINE_COMPLETION,
            remedy="See the server's log",
        )
    raw = reply.result if isinstance(reply.result, list) else []
    if not raw:
        return ()
    document = Document(item, encoding)
    return tuple(
        _suggestion(
            converter.structure(value, types.InlineCompletionItem), document, offset
        )
        for value in raw
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
    )
