"""Which workspace folder a document belongs to, and its path in it."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

__all__ = ["folder_of", "path_in"]

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
