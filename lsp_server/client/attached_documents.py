"""The editor's documents as the attached server follows them, to open them anew.

It reads the JSON of the editor's notifications. What does not fit puts a document out
of step, as the daemon does with its own: it is opened again as such.
"""

from collections.abc import Mapping

from lsp_server.protocol.lines import (
    LineColumn,
    PositionEncoding,
    TextLines,
    is_version,
    line_column,
)

__all__ = ["AttachedDocuments", "desynchronising", "with_folders"]


class _Document:
    """One open document."""

    def __init__(
        self, opened: Mapping[str, object], encoding: PositionEncoding
    ) -> None:
        """Hold what the editor opened.

        Raises:
            TypeError: It is no document.
        """
        text, version = opened.get("text"), opened.get("version")
        if not isinstance(text, str) or not is_version(version):
            raise TypeError("document")
        self.language_id = opened.get("languageId")
        self.version = version
        self.whole = True
        self._lines = TextLines(text, encoding)

    @property
    def text(self) -> str:
        """The whole text."""
        return self._lines.text

    def change(self, version: object, changes: object) -> None:
        """Apply the changes of one notification; one that does not fit ends that."""
        if not is_version(version) or version <= self.version:
            self.whole = False
            return
        self.version = version
        if not isinstance(changes, list):
            self.whole = False
            return
        for change in changes:
            self._apply(change)

    def _apply(self, change: object) -> None:
        """Apply one change."""
        text = change.get("text") if isinstance(change, dict) else None
        if not isinstance(change, dict) or not isinstance(text, str):
            self.whole = False
        elif change.get("range") is None:
            self._lines.replace_all(text)
            self.whole = True
        elif self.whole:
            start, end = (_place(change["range"], each) for each in ("start", "end"))
            if start is None or end is None or end < start:
                self.whole = False
            else:
                self._lines.replace(start, end, text)


class AttachedDocuments:
    """Follows every document that the editor has open.

    Attributes:
        encoding: What the editor's columns count, once the daemon has said so.
    """

    def __init__(self) -> None:
        self.encoding = PositionEncoding.UTF16
        self._open: dict[str, _Document] = {}

    @property
    def uris(self) -> tuple[str, ...]:
        """The open documents."""
        return tuple(self._open)

    def follow(self, method: str, params: object) -> None:
        """Apply a notification of the editor, if it is about a document."""
        if not isinstance(params, dict):
            return
        document = params.get("textDocument")
        uri = document.get("uri") if isinstance(document, dict) else None
        if not isinstance(document, dict) or not isinstance(uri, str):
            return
        if method == "textDocument/didOpen":
            try:
                self._open[uri] = _Document(document, self.encoding)
            except TypeError:
                self._open.pop(uri, None)
        elif method == "textDocument/didClose":
            self._open.pop(uri, None)
        elif method == "textDocument/didChange" and uri in self._open:
            changes = params.get("contentChanges")
            self._open[uri].change(document.get("version"), changes)

    def lose(self, uri: str) -> None:
        """Note that a message about a document was too long to be read."""
        if uri in self._open:
            self._open[uri].whole = False

    def opening(self) -> list[tuple[str, dict[str, object]]]:
        """Return the notifications that open every document as it is now."""
        messages: list[tuple[str, dict[str, object]]] = []
        for uri, document in self._open.items():
            opened = {
                "uri": uri,
                "languageId": document.language_id,
                "version": document.version,
                "text": document.text,
            }
            messages.append(("textDocument/didOpen", {"textDocument": opened}))
            if not document.whole:
                messages.append(desynchronising(uri))
        return messages


def desynchronising(uri: str) -> tuple[str, dict[str, object]]:
    """Return a change that no server can apply, so that it notes the loss of one."""
    return "textDocument/didChange", {"textDocument": {"uri": uri}}


def with_folders(initialize: dict[str, object], changed: object) -> dict[str, object]:
    """Return an ``initialize`` whose workspace folders are those after a change.

    Args:
        initialize: The message.
        changed: The parameters of ``workspace/didChangeWorkspaceFolders``.
    """
    params = initialize.get("params")
    event = changed.get("event") if isinstance(changed, dict) else None
    if not isinstance(params, dict) or not isinstance(event, dict):
        return initialize
    gone = [each.get("uri") for each in _objects(event.get("removed"))]
    kept = [
        each
        for each in _objects(params.get("workspaceFolders"))
        if each.get("uri") not in gone
    ]
    folders = [*kept, *_objects(event.get("added"))]
    return {**initialize, "params": {**params, "workspaceFolders": folders}}


def _objects(found: object) -> list[dict[str, object]]:
    """Return the objects of a list; none of what is no list."""
    listed = found if isinstance(found, list) else []
    return [each for each in listed if isinstance(each, dict)]


def _place(edited: object, side: str) -> LineColumn | None:
    """Return the start or the end of a range; None if it is none."""
    return line_column(edited.get(side)) if isinstance(edited, dict) else None
