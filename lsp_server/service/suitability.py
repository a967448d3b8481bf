"""Which documents are not worth completing in: huge, minified or binary ones."""

from lsp_server.config import CompletionConfig
from lsp_server.outcomes import Reason
from lsp_server.service import reasons
from lsp_server.values import Snapshot

__all__ = ["why_unsuitable"]


def why_unsuitable(snapshot: Snapshot, config: CompletionConfig) -> Reason | None:
    """Tell why nothing is completed in a document; None where something is.

    Takes a scan of the text for a zero byte, and a look at the cursor's line.
    """
    if not config.enabled:
        return reasons.DISABLED
    if snapshot.language_id in config.disabled_languages.split():
        return reasons.LANGUAGE_OFF
    if len(snapshot.text) > config.max_document_chars:
        return reasons.TOO_LARGE
    if len(snapshot.line_before) + len(snapshot.line_after) > config.max_line_chars:
        return reasons.LINE_TOO_LONG
    if "\0" in snapshot.text:
        return reasons.BINARY
    return None
