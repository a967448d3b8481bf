"""The place that a request is about, and what has become of it since.

An answer is made for the document as it was. When it is ready, the user may have typed
on: what is typed may be the answer's own beginning, or something else.
"""

from dataclasses import dataclass, replace

from lsp_server.protocol.document import Document
from lsp_server.protocol.documents import Documents
from lsp_server.text import with_line_feeds
from lsp_server.values import Completion, Snapshot

__all__ = ["Place", "rest_of", "typed_between"]


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
