"""Takes away a last line that the model had no tokens or time to finish."""

from lsp_server.values import CompletionScope, Snapshot

__all__ = ["cut_unfinished_line"]


def cut_unfinished_line(
    text: str, near: Snapshot, scope: CompletionScope
) -> str | None:
    """Cut the last line of a block whose generation was broken off.

    A single line is kept: it can be gone on with.
    """
    del near
    if scope is CompletionScope.LINE:
        return text
    kept, line_end, _ = text.rpartition("\n")
    return kept if line_end and kept.strip() else text
