"""Tells, while tokens still come, when a completion has all that it will keep."""

from lsp_server.values import CompletionScope, Snapshot

__all__ = ["StopRule"]


class StopRule:
    """Watches one stream of text. Text after the stop is never part of a completion."""

    def __init__(self, snapshot: Snapshot, scope: CompletionScope) -> None:
        """Watch for the end of ``scope`` at the snapshot's cursor."""
        self._snapshot = snapshot
        self._scope = scope
        self._text = ""

    def feed(self, text: str) -> bool:
        """Take the next piece; tell whether the generation can end now."""
        self._text += text
        return self._scope is CompletionScope.LINE and "\n" in self._text.lstrip()
