"""The filters that every generated text passes, in their order."""

from dataclasses import dataclass

from lsp_server.values import CompletionScope, Snapshot

__all__ = ["Outcome", "postprocess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a generated text.

    Attributes:
        text: The text to insert, with the document's line ends; None when nothing
            of it is worth showing.
        dropped_by: The name of the filter that dropped it; None when it was kept.
        changed_by: The names of the filters that shortened or changed it, in order.
    """

    text: str | None
    dropped_by: str | None
    changed_by: tuple[str, ...]


def postprocess(text: str, snapshot: Snapshot, scope: CompletionScope) -> Outcome:
    """Make a suggestion of a generated text, or none, with the reason.

    The text goes in at the cursor and replaces nothing.
    """
    return Outcome(text=text or None, dropped_by=None, changed_by=())
