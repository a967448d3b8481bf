"""What an editor does with documents and folders reaches the backend as events."""

from fault_backends import EchoBackend
from piped_editor import URI, Connect, Editor

from lsp_server.project.provider import (
    DocumentClosed,
    DocumentEdited,
    DocumentOpened,
    DocumentSaved,
    FoldersChanged,
)

SAVED = DocumentSaved(uri=URI)
EDITED = DocumentEdited(uri=URI)
CLOSED = DocumentClosed(uri=URI)


def document(**more: object) -> dict[str, object]:
    """Return the parameters of a notification about the document."""
    return {"textDocument": {"uri": URI, **more}}


async def seen(editor: Editor) -> None:
    """Wait until the server has read all that was sent."""
    await editor.request("midfill/trace")


async def test_documents_are_followed_from_opening_to_closing(connect: Connect) -> None:
    """A document that gets out of step counts as closed until it is whole again."""
    backend = EchoBackend()
    editor = await connect(backend)
    await editor.initialize()
    editor.open("x = 1\n")
    await seen(editor)
    (opened,) = (each for each in backend.events if isinstance(each, DocumentOpened))
    first = opened.read()
    editor.change(2, {"text": "y = 2\n"})
    editor.notify("textDocument/didSave", document())
    editor.change(1, {"text": "stale"})
    await seen(editor)
    assert None is opened.read()
    editor.change(3, {"text": "z = 3\n"})
    editor.notify("textDocument/didClose", document())
    editor.notify("textDocument/didSave", document())
    await seen(editor)
    assert first is not None
    assert ("x = 1\n", "python", 1) == (first.text, first.language_id, first.version)
    at = backend.events.index(opened)
    edited, saved, closed, again, last = backend.events[at + 1 :]
    assert (EDITED, SAVED, CLOSED, CLOSED) == (edited, saved, closed, last)
    assert isinstance(again, DocumentOpened)


async def test_a_document_is_read_as_it_is_now(connect: Connect) -> None:
    """Not as it was when it was opened; and once for each version."""
    backend = EchoBackend()
    editor = await connect(backend)
    await editor.initialize()
    editor.open("x = 1\n")
    editor.change(2, {"text": "y = 2\n"})
    await seen(editor)
    (opened,) = (each for each in backend.events if isinstance(each, DocumentOpened))
    now = opened.read()
    assert now is not None
    assert ("y = 2\n", 2) == (now.text, now.version)
    assert opened.read() is now


async def test_folders_are_those_of_now(connect: Connect) -> None:
    """At the start and whenever one comes or goes."""
    backend = EchoBackend()
    editor = await connect(backend)
    one, two = ({"uri": f"file:///{name}", "name": name} for name in ("a", "b"))
    await editor.initialize(workspaceFolders=[{**one, "uri": "file:///a/"}])
    await seen(editor)
    event = {"added": [two], "removed": [one]}
    editor.notify("workspace/didChangeWorkspaceFolders", {"event": event})
    await seen(editor)
    assert [("file:///a",), ("file:///b",)] == [
        each.folders for each in backend.events if isinstance(each, FoldersChanged)
    ]


async def test_an_editor_of_before_has_one_folder(connect: Connect) -> None:
    """``rootUri`` is the folder where there are no workspace folders."""
    backend = EchoBackend()
    editor = await connect(backend)
    await editor.initialize(rootUri="file:///a", workspaceFolders=None)
    await seen(editor)
    assert [FoldersChanged(folders=("file:///a",))] == backend.events
