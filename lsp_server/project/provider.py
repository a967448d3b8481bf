"""The interface of a provider, which finds snippets, and the events that it receives.

A provider works ahead. It is sent an `Event` for whatever happens in the editor, and is
asked with a `Query` in the pauses between keys; no request for a completion waits for
it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from lsp_server.values import Snapshot, Snippet

__all__ = [
    "CursorRested",
    "Diagnostic",
    "DiagnosticsChanged",
    "DocumentClosed",
    "DocumentEdited",
    "DocumentOpened",
    "DocumentSaved",
    "Event",
    "FoldersChanged",
    "Provider",
    "Query",
    "ReadDocument",
]

ReadDocument: TypeAlias = Callable[[], Snapshot | None]
"""Return an open document as it is now; None while its text is not known.

It is called on the event loop only. The snapshot's offset is 0.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentOpened:
    """The editor has opened a document.

    Attributes:
        uri: The document.
        read: Reads it, for as long as it is open.
    """

    uri: str
    read: ReadDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEdited:
    """An open document has another text than before."""

    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSaved:
    """The editor has written an open document to disk."""

    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentClosed:
    """The editor has closed a document."""

    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldersChanged:
    """The editor has other workspace folders than before.

    Attributes:
        folders: The URIs of all of them, without a slash at the end.
    """

    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """An error or a warning about a document.

    Attributes:
        line: Where it begins, counted from 0.
        is_error: Whether it is an error.
        message: What it says.
    """

    line: int
    is_error: bool
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticsChanged:
    """The editor has other diagnostics of an open document than before.

    Attributes:
        uri: The document.
        diagnostics: All of them.
    """

    uri: str
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorRested:
    """The cursor has come to rest at another place, and nothing was typed there yet.

    Attributes:
        cursor: The document and the cursor.
        request_id: Of what is read ahead for it.
    """

    cursor: Snapshot
    request_id: str


Event: TypeAlias = (
    DocumentOpened
    | DocumentEdited
    | DocumentSaved
    | DocumentClosed
    | FoldersChanged
    | DiagnosticsChanged
    | CursorRested
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The cursor that snippets are wanted for, and what is open beside it.

    Attributes:
        snapshot: The document and the cursor.
        folder: The URI of the workspace folder that holds the document; None where
            none does.
        open_documents: The other open documents of the same folder, the most recently
            used first.
    """

    snapshot: Snapshot
    folder: str | None
    open_documents: tuple[Snapshot, ...]


class Provider(Protocol):
    """Finds snippets of one kind, for one connection."""

    @property
    def name(self) -> str:
        """The provider's name, which is that of its switch in `ContextConfig`."""
        ...

    @property
    def importance(self) -> float:
        """How much the provider's scores count against those of others, 0 to 1."""
        ...

    @property
    def budget_chars(self) -> int:
        """The most code points of its snippets together that are used."""
        ...

    @property
    def deadline_ms(self) -> int:
        """How long a query may take; what comes later is not used."""
        ...

    def take(self, event: Event) -> None:
        """Note an event; called on the event loop, so work is only begun here.

        A provider that is switched on later receives the folders and the documents that
        are open by then.
        """
        ...

    async def gather(self, query: Query) -> Sequence[Snippet]:
        """Return snippets for the surroundings of the cursor, and their scores.

        A score is between 0 and 1. What blocks or computes for long is done in a
        thread. No second query comes while one is being answered. Snippets of the
        query's own document are not used.
        """
        ...

    async def close(self) -> None:
        """End all work in the background; nothing is called after this."""
        ...
