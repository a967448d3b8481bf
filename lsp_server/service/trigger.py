"""Decides whether a completion is worth it, and how far it may run."""

from lsp_server.values import CompletionScope, Snapshot, Trigger

__all__ = ["choose_scope"]


def choose_scope(snapshot: Snapshot, trigger: Trigger) -> CompletionScope | None:
    """Give the scope of a completion at the cursor; None where none is worth it."""
    before = snapshot.before.rstrip()
    if not snapshot.line_after.strip() and before.endswith((":", "{")):
        return CompletionScope.BLOCK
    return CompletionScope.LINE
