"""``textDocument/inlineCompletion``: parameters in, items out.

Source: Language Server Protocol 3.18, "Inline Completion Request".
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from lsprotocol import types

from lsp_server.protocol.convert import PositionEncoding, range_at
from lsp_server.protocol.documents import Documents
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
        snapshot: The document; with the selection in place, where there is one. None
            if the document cannot be completed in.
        selection: What the items must extend; None without a selection.
    """

    message_id: int | str
    request_id: str
    uri: str
    trigger: Trigger
    encoding: PositionEncoding
    snapshot: Snapshot | None
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
    if selected is None:
        snapshot = documents.snapshot(uri, params.position)
    else:
        snapshot = documents.snapshot_after(uri, selected.range, selected.text)
        if snapshot is not None:
            start = snapshot.offset - len(selected.text)
            selection = Selection(replaced=selected.range, start=start)
    return CompletionOrder(
        message_id=message_id,
        request_id=request_id,
        uri=uri,
        trigger=Trigger.INVOKED if invoked else Trigger.AUTOMATIC,
        encoding=documents.encoding,
        snapshot=snapshot,
        selection=selection,
    )


def items(
    order: CompletionOrder, completions: Sequence[Completion]
) -> list[types.InlineCompletionItem]:
    """Turn completions into items; those that LSP does not allow are left out."""
    if order.snapshot is None:
        return []
    made = []
    for completion in completions:
        item = _item(order, order.snapshot, completion)
        if item is None:
            _log.info("item.left_out", extra={"request_id": order.request_id})
        else:
            made.append(item)
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
