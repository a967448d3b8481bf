"""The documents that one editor has open, and the workspace folders they lie in."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from lsp_server.project.provider import (
    DocumentClosed,
    DocumentOpened,
    Event,
    FoldersChanged,
    Query,
    ReadDocument,
)
from lsp_server.values import Snapshot

__all__ = ["OpenDocuments", "folder_of", "path_in"]


class OpenDocuments:
    """Follows which documents are open, and in which order they were used."""

    def __init__(self) -> None:
        self._folders: tuple[str, ...] = ()
        self._read: dict[str, ReadDocument] = {}  # the most recently used last

    def take(self, event: Event) -> None:
        """Follow an event of the editor."""
        match event:
            case DocumentOpened(uri=uri, read=read):
                self._read.pop(uri, None)
                self._read[uri] = read
            case DocumentClosed(uri=uri):
                self._read.pop(uri, None)
            case FoldersChanged(folders=folders):
                self._folders = folders

    def state(self) -> Iterator[Event]:
        """Yield the events that open all that is open now."""
        yield FoldersChanged(folders=self._folders)
        for uri, read in self._read.items():
            yield DocumentOpened(uri=uri, read=read)

    def use(self, uri: str) -> None:
        """Note that an open document is being worked in."""
        self._read[uri] = self._read.pop(uri)

    def __contains__(self, uri: str) -> bool:
        """Return whether a document is open."""
        return uri in self._read

    def __iter__(self) -> Iterator[str]:
        """Yield the open documents, the most recently used first."""
        return reversed(self._read)

    def read(self, uri: str) -> Snapshot | None:
        """Return an open document as it is now; None while that is not known."""
        return self._read[uri]()

    def path_of(self, uri: str) -> str:
        """Return a document's path in its workspace folder; its name without one."""
        return path_in(folder_of(uri, self._folders), uri)

    def query(self, cursor: Snapshot) -> Query:
        """Return the query for a cursor, with the documents of the same folder."""
        folder = folder_of(cursor.uri, self._folders)
        others = (
            self.read(uri)
            for uri in self
            if uri != cursor.uri and folder_of(uri, self._folders) == folder
        )
        return Query(
            snapshot=cursor,
            folder=folder,
            open_documents=tuple(each for each in others if each is not None),
        )


_NOTEBOOK_CELL = "vscode-notebook-cell"


def folder_of(uri: str, folders: Sequence[str]) -> str | None:
    """Return the innermost of the folders that holds the document; None without one.

    A document without a file, such as ``untitled:``, belongs to the only folder that
    there is. The cells of a notebook belong where the notebook does.

    Args:
        uri: The document.
        folders: The URIs of workspace folders.
    """
    scheme, colon, rest = uri.partition(":")
    if scheme == _NOTEBOOK_CELL:
        uri = f"file://{rest.removeprefix('//').partition('#')[0]}"
    elif not colon or not rest.startswith("/"):
        return folders[0] if len(folders) == 1 else None
    holding = [each for each in folders if uri.startswith(each.rstrip("/") + "/")]
    return max(holding, key=len, default=None)


def path_in(folder: str | None, uri: str) -> str:
    """Return a document's path relative to its folder, or its name without one."""
    inside = "" if folder is None else folder.rstrip("/") + "/"
    try:
        path = unquote(urlsplit(uri).path)
        if inside:
            path = path.removeprefix(unquote(urlsplit(inside).path))
    except ValueError:  # for example brackets that hold no IPv6 address
        path = uri
    return path if inside and not path.startswith("/") else PurePosixPath(path).name
