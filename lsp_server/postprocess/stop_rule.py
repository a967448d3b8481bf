"""Tells, while tokens still come, when a completion has all that it will keep."""

from lsp_server.postprocess.scope import scope_end
from lsp_server.postprocess.surroundings import nearby
from lsp_server.values import CompletionScope, Snapshot

__all__ = ["StopRule"]


class StopRule:
    """Watches one stream of text. Text after the stop is never part of a completion."""

    def __init__(self, snapshot: Snapshot, scope: CompletionScope) -> None:
        """Watch for the end of ``scope`` at the snapshot's cursor."""
        self._near = nearby(snapshot)
        self._scope = scope
        self._text = ""

    def feed(self, text: str) -> bool:
        """Take the next piece; tell whether the generation can end now."""
        self._text += text
        return scope_end(self._text, self._near, self._scope) is not None
