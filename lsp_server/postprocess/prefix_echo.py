"""Takes away what the model says again of the line that it should go on with."""

from lsp_server.values import CompletionScope, Snapshot

__all__ = ["cut_prefix_echo"]

_LEAST_TELLING_CHARS = 6


def cut_prefix_echo(text: str, near: Snapshot, scope: CompletionScope) -> str | None:
    """Cut the beginning of ``text`` where it is the cursor's line once more."""
    del scope  # an echo is one in either
    typed = near.line_before.strip()
    if len(typed) < _LEAST_TELLING_CHARS:
        return text
    written = text.lstrip()
    return written[len(typed) :] if written.startswith(typed) else text
