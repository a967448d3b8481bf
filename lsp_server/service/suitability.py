"""Which documents are not worth completing in: huge, minified or binary ones."""

from lsp_server.config import CompletionConfig
from lsp_server.values import Snapshot

__all__ = ["why_unsuitable"]


def why_unsuitable(snapshot: Snapshot, config: CompletionConfig) -> str | None:
    """Name what is wrong with the document, in a word for the log; None if nothing is.

    Takes a scan of the text for a zero byte, and a look at the cursor's line.
    """
    if len(snapshot.text) > config.max_document_chars:
        return "too-large"
    if len(snapshot.line_before) + len(snapshot.line_after) > config.max_line_chars:
        return "line-too-long"
    if "\0" in snapshot.text:
        return "binary"
    return None
