"""``textDocument/inlineCompletion``: parameters in, items out.

Source: Language Server Protocol 3.18, "Inline Completion Request".
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lsprotocol import types

from lsp_server.protocol.acceptance import Acceptances
from lsp_server.protocol.convert import PositionEncoding, range_at
from lsp_server.protocol.documents import Documents
from lsp_server.protocol.place import Place, rest_of
from lsp_server.text import with_line_feeds
from lsp_server.values import Completion, Snapshot, Trigger

__all__ = ["CompletionOrder", "items", "take_order"]

_log = logging.getLogger(__name__)


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
    acceptances: Acceptances,
) -> list[types.InlineCompletionItem]:
    """Turn completions into items for the document as it is now.

    Those that do not fit any more are left out, and so are those that LSP does not
    allow. Each tells ``acceptances`` when it is accepted.
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
                command=acceptances.offer(completion.completion_id, len(text)),
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
