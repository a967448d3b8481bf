"""``textDocument/inlineCompletion``: parameters in, items out.

Source: Language Server Protocol 3.18, "Inline Completion Request".
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lsprotocol import types

from lsp_server.outcomes import Completion
from lsp_server.protocol.convert import PositionEncoding, range_at
from lsp_server.protocol.document import Document, Documents
from lsp_server.text import with_line_feeds
from lsp_server.values import Snapshot, Trigger

__all__ = [
    "CompletionOrder",
    "Place",
    "items",
    "rest_of",
    "take_order",
    "typed_between",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a request's answer goes.

    Attributes:
        documents: What the editor has open.
        document: The document when the request came in.
        version: Its version then.
        snapshot: Its text and the cursor then.
        is_hypothetical: Whether the snapshot holds something that the document does
            not, an item that is selected in the editor's list.
    """

    documents: Documents
    document: Document
    version: int
    snapshot: Snapshot
    is_hypothetical: bool = False

    def typed(self) -> str | None:
        """Return what was typed at the cursor since, with its line ends.

        None when the document has changed in any other way, or was closed.
        """
        current = self.documents.current(self.snapshot.uri)
        if current is not self.document:
            return None
        if current.version == self.version:
            return ""
        if self.is_hypothetical:
            return None
        return typed_between(self.snapshot, current.text)


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
    r"""Tell whether a ``\r`` and a ``\n`` side by side would become one line end."""
    return left.endswith("\r") and right.startswith("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is selected in the editor's list of completions.

    Attributes:
        replaced: The range that it would replace, as the editor sent it.
        start: Where that range starts in the order's snapshot, in code points.
    """

    replaced: types.Range
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionOrder:
    """A request as it stood when it came in.

    Attributes:
        message_id: The request's id in the protocol.
        request_id: The request's id below the protocol, unique in this server.
        uri: The document that it is about.
        trigger: Who asked.
        encoding: What columns count.
        position: The cursor, as the editor sent it.
        place: The document and the cursor; with the selection in place, where there is
            one. None if the document cannot be completed in.
        selection: What the items must extend; None without a selection.
    """

    message_id: int | str
    request_id: str
    uri: str
    trigger: Trigger
    encoding: PositionEncoding
    position: types.Position
    place: Place | None
    selection: Selection | None


def take_order(
    params: types.InlineCompletionParams,
    documents: Documents,
    *,
    message_id: int | str,
    request_id: str,
) -> CompletionOrder:
    """Freeze a request and its document; the document may change right after.

    A selected item is put in place of its range in the snapshot, and the cursor after
    it: what the engine says there goes on from the selected text.
    """
    uri = params.text_document.uri
    invoked = params.context.trigger_kind is types.InlineCompletionTriggerKind.Invoked
    selected = params.context.selected_completion_info
    selection = None
    document = documents.current(uri)
    if selected is None:
        snapshot = documents.snapshot(uri, params.position)
    else:
        snapshot = documents.snapshot_after(uri, selected.range, selected.text)
        if snapshot is not None:
            start = snapshot.offset - len(selected.text)
            selection = Selection(replaced=selected.range, start=start)
    place = None
    if document is not None and snapshot is not None:
        place = Place(
            documents=documents,
            document=document,
            version=snapshot.version,
            snapshot=snapshot,
            is_hypothetical=selected is not None,
        )
    return CompletionOrder(
        message_id=message_id,
        request_id=request_id,
        uri=uri,
        trigger=Trigger.INVOKED if invoked else Trigger.AUTOMATIC,
        encoding=documents.encoding,
        position=params.position,
        place=place,
        selection=selection,
    )


def items(
    order: CompletionOrder,
    completions: Sequence[Completion],
    offer: Callable[[str, int], types.Command],
) -> list[types.InlineCompletionItem]:
    """Turn completions into items for the document as it is now.

    Those that do not fit any more are left out, and so are those that LSP does not
    allow. Each carries the command that ``offer`` makes
    of its id and length.
    """
    place = order.place
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
        item = None if rest is None else _item(order, now, rest)
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
    order: CompletionOrder, snapshot: Snapshot, completion: Completion
) -> types.InlineCompletionItem | None:
    """Turn one completion into an item, if LSP allows it."""
    if order.selection is not None:
        return _extending_item(order.selection, snapshot, completion)
    replaced = range_at(snapshot.text, completion.start, completion.end, order.encoding)
    if replaced.start.line != replaced.end.line:
        return None
    return types.InlineCompletionItem(insert_text=completion.text, range=replaced)


def _extending_item(
    selection: Selection, snapshot: Snapshot, completion: Completion
) -> types.InlineCompletionItem | None:
    """Turn a completion into an item that uses a selection's range and extends it."""
    selected = snapshot.text[selection.start : snapshot.offset]
    kept = snapshot.text[selection.start : completion.start]
    text = kept + completion.text
    within = selection.start <= completion.start and completion.end == snapshot.offset
    if not within or not text.startswith(selected) or text == selected:
        return None
    return types.InlineCompletionItem(insert_text=text, range=selection.replaced)
