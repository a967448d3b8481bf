"""A snippet of what the editor reports of the document: errors and warnings.

It reads like the output of a compiler, and names no line numbers, which would change
the prompt whenever a line is typed above.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

from lsp_server.project.open_documents import path_in
from lsp_server.project.provider import (
    Diagnostic,
    DiagnosticsChanged,
    DocumentClosed,
    Event,
    Query,
)
from lsp_server.text import count_line_ends
from lsp_server.values import Snippet

__all__ = ["Diagnostics"]

_REACH_LINES = 60
_MOST = 5
_MOST_CHARS = 200
_SCORE = 0.5


class Diagnostics:
    """Keeps the newest diagnostics of each document, for its own prompts."""

    name = "diagnostics"
    importance = 0.5
    budget_chars = _MOST * (_MOST_CHARS + 100)
    deadline_ms = 100

    def __init__(self) -> None:
        self._known: dict[str, tuple[Diagnostic, ...]] = {}

    def take(self, event: Event) -> None:
        """Keep what the editor reports, for as long as the document is open."""
        match event:
            case DiagnosticsChanged(uri=uri, diagnostics=diagnostics):
                self._known[uri] = diagnostics
            case DocumentClosed(uri=uri):
                self._known.pop(uri, None)

    async def gather(self, query: Query) -> Sequence[Snippet]:
        """Return the diagnostics near the cursor as one snippet.

        Those of the cursor's own line are left out: it is being typed.
        """
        snapshot = query.snapshot
        here = count_line_ends(snapshot.text, snapshot.offset)
        near = [
            each
            for each in self._known.get(snapshot.uri, ())
            if 0 < abs(each.line - here) <= _REACH_LINES
        ]
        near.sort(key=lambda each: (not each.is_error, abs(each.line - here)))
        chosen = sorted(near[:_MOST], key=lambda each: each.line)
        name = PurePosixPath(path_in(query.folder, snapshot.uri)).name
        lines = dict.fromkeys(_line_of(name, each) for each in chosen)
        if not lines:
            return ()
        text = "\n".join(lines)
        return [
            Snippet(path="diagnostics.txt", text=text, score=_SCORE, is_lasting=False)
        ]

    async def close(self) -> None:
        """Do nothing: there is no work in the background."""


def _line_of(name: str, diagnostic: Diagnostic) -> str:
    """Return a diagnostic as a compiler writes it."""
    kind = "error" if diagnostic.is_error else "warning"
    message = " ".join(diagnostic.message.split())
    return f"{name}: {kind}: {message[:_MOST_CHARS]}"
