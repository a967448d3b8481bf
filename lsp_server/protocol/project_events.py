"""Turns what an editor says of its documents and folders into the project's events."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from lsp_server.project.provider import (
    CursorRested,
    Diagnostic,
    DiagnosticsChanged,
    DocumentClosed,
    DocumentEdited,
    DocumentOpened,
    DocumentSaved,
    Event,
    FoldersChanged,
)
from lsp_server.protocol.document import Document
from lsp_server.protocol.documents import Documents
from lsp_server.values import Snapshot

__all__ = [
    "CURSOR_METHOD",
    "DIAGNOSTICS_METHOD",
    "FOLDERS_FOLLOWED",
    "MESSAGE_TYPES",
    "ProjectEvents",
]

DIAGNOSTICS_METHOD = "midfill/diagnostics"
"""A notification by which a client says what it shows of a document's errors.

LSP has none: a server is not sent what other servers have found.
"""

CURSOR_METHOD = "midfill/cursor"
"""A notification by which a client says that the cursor rests at another place.

LSP has none: a server learns of a place when something is changed or asked for there.
"""

_MOST_DIAGNOSTICS = 200
_MOST_LINES = 50_000
"""A longer text takes time to put together, and is data rather than code."""

_ERROR, _WARNING = types.DiagnosticSeverity.Error, types.DiagnosticSeverity.Warning


@dataclass
class _DiagnosticsNotification:
    params: types.PublishDiagnosticsParams
    method: str = DIAGNOSTICS_METHOD
    jsonrpc: str = "2.0"


@dataclass
class _CursorNotification:
    params: types.TextDocumentPositionParams
    method: str = CURSOR_METHOD
    jsonrpc: str = "2.0"


MESSAGE_TYPES: Mapping[str, type] = MappingProxyType(
    {
        DIAGNOSTICS_METHOD: _DiagnosticsNotification,
        CURSOR_METHOD: _CursorNotification,
    }
)
"""The messages that lsprotocol has no types for, in the form in which pygls reads them.
"""


FOLDERS_FOLLOWED = types.WorkspaceOptions(
    workspace_folders=types.WorkspaceFoldersServerCapabilities(
        supported=True, change_notifications=True
    )
)
"""What a server that follows workspace folders says of itself."""

_START = types.Position(line=0, character=0)


class ProjectEvents:
    """Follows an editor's documents and folders, and sends what changes.

    A document that got out of step with the editor counts as closed until it is whole.

    Args:
        documents: Returns the editor's documents.
        next_request_id: Returns an id that no other request of the process has.
    """

    def __init__(
        self, documents: Callable[[], Documents], next_request_id: Callable[[], str]
    ) -> None:
        """Follow, but send nothing before ``attach``."""
        self._documents = documents
        self._next_request_id = next_request_id
        self._send: Callable[[Event], None] | None = None
        self._open: dict[str, Document] = {}
        self._folders: dict[str, None] = {}

    def register(self, server: LanguageServer) -> None:
        """Register the handlers of the notifications that only context needs."""

        @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
        def did_save(params: types.DidSaveTextDocumentParams) -> None:
            if params.text_document.uri in self._open:
                self._event(DocumentSaved(uri=params.text_document.uri))

        @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
        def folders(params: types.DidChangeWorkspaceFoldersParams) -> None:
            for gone in params.event.removed:
                self._folders.pop(_without_slash(gone.uri), None)
            for new in params.event.added:
                self._folders[_without_slash(new.uri)] = None
            self._folders_changed()

        @server.feature(DIAGNOSTICS_METHOD)
        def diagnostics(params: types.PublishDiagnosticsParams) -> None:
            if params.uri in self._open:
                kept = _diagnostics(params.diagnostics)
                self._event(DiagnosticsChanged(uri=params.uri, diagnostics=kept))

        @server.feature(CURSOR_METHOD)
        def cursor(params: types.TextDocumentPositionParams) -> None:
            document = self._open.get(params.text_document.uri)
            if document is not None and _is_readable(document):
                at = document.snapshot(params.position)
                number = self._next_request_id()
                self._event(CursorRested(cursor=at, request_id=number))

    def attach(self, send: Callable[[Event], None]) -> None:
        """Send the state of now, and all that follows."""
        self._send = send
        self._folders_changed()
        for uri, document in self._open.items():
            send(DocumentOpened(uri=uri, read=_reader(document)))

    def begin(self, params: types.InitializeParams) -> None:
        """Note the folders that the editor has at the start."""
        named = [folder.uri for folder in params.workspace_folders or ()]
        if not named and params.root_uri is not None:
            named = [params.root_uri]
        self._folders = dict.fromkeys(map(_without_slash, named))

    def document_changed(self, uri: str) -> None:
        """Follow a document that was opened, edited or closed."""
        document, known = self._documents().current(uri), self._open.get(uri)
        if document is None:
            if self._open.pop(uri, None) is not None:
                self._event(DocumentClosed(uri=uri))
        elif document is known:
            self._event(DocumentEdited(uri=uri))
        else:
            self._open[uri] = document
            self._event(DocumentOpened(uri=uri, read=_reader(document)))

    def _folders_changed(self) -> None:
        self._event(FoldersChanged(folders=tuple(self._folders)))

    def _event(self, event: Event) -> None:
        """Send an event, if somebody receives them."""
        if self._send is not None:
            self._send(event)


def _diagnostics(sent: Sequence[types.Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return the errors and warnings; what says no severity is an error."""
    return tuple(
        Diagnostic(
            line=each.range.start.line,
            is_error=each.severity != _WARNING,
            message=each.message,
        )
        for each in sent[:_MOST_DIAGNOSTICS]
        if each.severity in {None, _ERROR, _WARNING}
    )


def _reader(document: Document) -> Callable[[], Snapshot | None]:
    """Return what reads a document; nothing while it is out of step, or very long."""
    read: list[Snapshot] = []

    def current() -> Snapshot | None:
        if not _is_readable(document):
            return None
        if not read or read[0].version != document.version:
            read[:] = [document.snapshot(_START)]
        return read[0]

    return current


def _is_readable(document: Document) -> bool:
    """Return whether a document is in step with the editor, and not very long."""
    return document.whole and document.line_count <= _MOST_LINES


def _without_slash(uri: str) -> str:
    """Return a folder's URI without a slash at the end."""
    return uri.rstrip("/")
