"""``textDocument/inlineCompletion``: parameters in, items out.

An answer is made for the document as it was when the request arrived. When it is ready,
the user may have typed on: the beginning of the answer, or something else.

Source: Language Server Protocol 3.18, "Inline Completion Request".
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from lsprotocol import types

from lsp_server.outcomes import Completion
from lsp_server.protocol.convert import range_at
from lsp_server.protocol.document import Document
from lsp_server.protocol.documents import Documents
from lsp_server.protocol.lines import PositionEncoding
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot, Trigger

__all__ = [
    "ARRIVAL_PLACE",
    "CompletionRequest",
    "Place",
    "is_usable",
    "items",
    "place_of",
    "request_of",
    "rest_of",
    "typed_between",
]

_log = logging.getLogger(__name__)

_INVOKED = types.InlineCompletionTriggerKind.Invoked


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A cursor in a document as it was when a request arrived.

    Attributes:
        documents: The editor's documents.
        document: The document.
        snapshot: Its text, version and cursor then, with the selected item in place.
        is_hypothetical: Whether an item is selected in the editor's list, so that the
            snapshot holds text that the document does not.
        arrived_s: When the request was read, by ``time.perf_counter``.
    """

    documents: Documents
    document: Document
    snapshot: Snapshot
    is_hypothetical: bool
    arrived_s: float = field(default_factory=time.perf_counter)

    def typed(self) -> str | None:
        """Return what was typed at the cursor since, with its line ends.

        None when the document has changed in any other way, or was closed.
        """
        current = self.documents.current(self.snapshot.uri)
        if current is not self.document:
            return None
        if current.version == self.snapshot.version:
            return ""
        if self.is_hypothetical:
            return None
        return typed_between(self.snapshot, current.text)


ARRIVAL_PLACE: ContextVar[Place | None] = ContextVar("midfill_arrival_place")
"""The place of the request that is being handled; None where there is no document.

It is set when the message is read: a handler runs later, and the next message may have
changed the document by then.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """A request as it was when it arrived.

    Attributes:
        message_id: Its id in the protocol.
        request_id: Its id in the backend, unique in this connection.
        uri: The document.
        trigger: Who asked.
        encoding: What columns count.
        position: The cursor, as the editor sent it.
        place: The document and the cursor; None if it cannot be completed in.
        selected: The range that a selected item of the editor's list would replace;
            None without a selection. The items use this range.
        selected_start: Where that range starts in the snapshot, in code points.
    """

    message_id: int | str
    request_id: str
    uri: str
    trigger: Trigger
    encoding: PositionEncoding
    position: types.Position
    place: Place | None
    selected: types.Range | None
    selected_start: int


def place_of(
    params: types.InlineCompletionParams, documents: Documents
) -> Place | None:
    """Freeze the document of a request; None if it cannot be completed in.

    A selected item is put in place of its range, and the cursor after it, so that the
    completion goes on from the selected text.
    """
    uri = params.text_document.uri
    selected = params.context.selected_completion_info
    document = documents.current(uri)
    if selected is None:
        snapshot = documents.snapshot(uri, params.position)
    elif not is_usable(selected.range):
        snapshot = None
    else:
        snapshot = documents.snapshot_after(uri, selected.range, selected.text)
    if document is None or snapshot is None:
        return None
    return Place(
        documents=documents,
        document=document,
        snapshot=snapshot,
        is_hypothetical=selected is not None,
    )


def request_of(
    params: types.InlineCompletionParams,
    *,
    place: Place | None,
    encoding: PositionEncoding,
    message_id: int | str,
    request_id: str,
) -> CompletionRequest:
    """Put the parameters of a request and its place together."""
    selected = params.context.selected_completion_info
    start = place.snapshot.offset if place is not None else 0
    return CompletionRequest(
        message_id=message_id,
        request_id=request_id,
        uri=params.text_document.uri,
        trigger=(
            Trigger.INVOKED
            if params.context.trigger_kind is _INVOKED
            else Trigger.AUTOMATIC
        ),
        encoding=encoding,
        position=params.position,
        place=place,
        selected=selected.range if selected is not None else None,
        selected_start=start - len(selected.text) if selected is not None else start,
    )


def is_usable(selected: types.Range) -> bool:
    """Return whether an item can take the place of a selected item's range."""
    is_one_line = selected.start.line == selected.end.line
    return is_one_line and selected.start.character <= selected.end.character


def items(
    request: CompletionRequest,
    completions: Sequence[Completion],
    offer: Callable[[str, int], types.Command],
) -> list[types.InlineCompletionItem]:
    """Turn completions into items for the document as it is now.

    Those that do not fit any more are left out, and so are those that LSP does not
    allow. Each carries the command that ``offer`` makes
    of its id and length.
    """
    place = request.place
    typed = place.typed() if place is not None else None
    if place is None or typed is None:
        return []
    snapshot = place.snapshot
    now = snapshot
    if typed:
        text = snapshot.before + typed + snapshot.after
        now = replace(snapshot, text=text, offset=snapshot.offset + len(typed))
    made = []
    for completion in completions:
        rest = rest_of(completion, snapshot, typed)
        item = None if rest is None else _item(request, now, rest)
        if item is None:
            _log.info("item.left_out", extra={"request_id": completion.completion_id})
            continue
        text = with_line_feeds(str(item.insert_text))
        made.append(
            types.InlineCompletionItem(
                insert_text=text,
                range=item.range,
                command=offer(completion.completion_id, len(text)),
            )
        )
    return made


def _item(
    request: CompletionRequest, snapshot: Snapshot, completion: Completion
) -> types.InlineCompletionItem | None:
    """Turn one completion into an item, if LSP allows it."""
    if request.selected is not None:
        return _extending_item(request, snapshot, completion)
    replaced = range_at(
        snapshot.text, completion.start, completion.end, request.encoding
    )
    if replaced.start.line != replaced.end.line:
        return None
    return types.InlineCompletionItem(insert_text=completion.text, range=replaced)


def _extending_item(
    request: CompletionRequest, snapshot: Snapshot, completion: Completion
) -> types.InlineCompletionItem | None:
    """Make an item that replaces the selected item's range and begins with its text."""
    start = request.selected_start
    selected = snapshot.text[start : snapshot.offset]
    text = snapshot.text[start : completion.start] + completion.text
    within = start <= completion.start and completion.end == snapshot.offset
    if not within or not text.startswith(selected) or text == selected:
        return None
    return types.InlineCompletionItem(insert_text=text, range=request.selected)


def typed_between(snapshot: Snapshot, text: str) -> str | None:
    """Return what ``text`` has more at the snapshot's cursor; None if it differs else.

    Of a text that can be read in two ways, such as a second ``l`` beside the first, the
    one at the cursor is meant.
    """
    more = len(text) - len(snapshot.text)
    if more < 0:
        return None
    before, after = snapshot.before, snapshot.after
    if not text.startswith(before) or not text.endswith(after):
        return None
    return text[snapshot.offset : snapshot.offset + more]


def rest_of(
    completion: Completion, snapshot: Snapshot, typed: str
) -> Completion | None:
    """Return what is left of a completion when its beginning was typed meanwhile.

    Applied to the document with ``typed`` in it, it makes what the completion makes of
    the snapshot. None when the completion does not begin with ``typed``, or when
    nothing is left of it.

    Args:
        completion: Made for the snapshot.
        snapshot: The document and the cursor as they were.
        typed: What was typed at the cursor.
    """
    if not typed:
        return completion
    kept = snapshot.text[completion.start : snapshot.offset]
    written = with_line_feeds(completion.text)
    begun = with_line_feeds(kept + typed)
    is_around = completion.start <= snapshot.offset <= completion.end
    if not is_around or not written.startswith(begun) or written == begun:
        return None
    end = completion.end + len(typed)
    if completion.start < snapshot.offset:
        # It replaces text left of the cursor, which is still there.
        return replace(completion, end=end)
    rest = written[len(begun) :]
    if _joins(snapshot.before, written) or _joins(typed, rest):
        return None
    return replace(
        completion,
        text=rest,
        start=completion.start + len(typed),
        end=end,
    )


def _joins(left: str, right: str) -> bool:
    r"""Return whether a ``\r`` and a ``\n`` side by side would become one line end."""
    return left.endswith("\r") and right.startswith("\n")
