"""What an editor does with documents and folders reaches the backend as events."""

from fault_backends import EchoBackend
from piped_editor import URI, Connect, Editor, change_params, frame

from lsp_server.project.provider import (
    CursorRested,
    Diagnostic,
    DiagnosticsChanged,
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
    params = change_params(3, {"text": "\n" * 100_000})
    message = {"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params}
    await editor.send_long(frame(message))
    await seen(editor)
    assert None is opened.read()


def problem(line: object, severity: int | None, message: object) -> dict[str, object]:
    """Return a diagnostic as an editor sends it."""
    at = {"line": line, "character": 0}
    more = {} if severity is None else {"severity": severity}
    return {"range": {"start": at, "end": at}, "message": message, **more}


async def test_diagnostics_reach_the_backend(connect: Connect) -> None:
    """Errors and warnings of open documents; a bad message costs itself alone."""
    backend = EchoBackend()
    editor = await connect(backend)
    reply = await editor.initialize()
    editor.open("x = 1\n")
    await seen(editor)
    listed = [problem(n, n or None, f"m{n}") for n in range(5)]
    for uri, diagnostics in [
        (URI, [problem("one", 1, "bad")]),
        (URI, "none"),
        ("file:///closed.py", listed),
        (URI, listed),
        (URI, []),
    ]:
        params = {"uri": uri, "diagnostics": diagnostics}
        editor.notify("midfill/diagnostics", params)
    await seen(editor)
    kept = tuple(Diagnostic(line=n, is_error=n != 2, message=f"m{n}") for n in range(3))
    assert [kept, ()] == [
        each.diagnostics
        for each in backend.events
        if isinstance(each, DiagnosticsChanged)
    ]
    assert "'diagnostics': True" in str(reply)


async def test_a_cursor_that_rests_reaches_the_backend(connect: Connect) -> None:
    """In open documents that are in step; a bad message costs itself alone."""
    backend = EchoBackend()
    editor = await connect(backend)
    reply = await editor.initialize()
    editor.open("x = '😀'\ny = 2\n")
    await seen(editor)
    for uri, line, character in [
        (URI, 0, 7),
        (URI, 7, 0),
        (URI, 1.0, 0),
        (URI, -1, 0),
        ("file:///closed.py", 0, 0),
        (URI, 1, 99),
    ]:
        at = {"line": line, "character": character}
        document = {"uri": uri}
        editor.notify("midfill/cursor", {"textDocument": document, "position": at})
    editor.notify("midfill/cursor", None)
    await seen(editor)
    editor.change(1, {"text": "stale"})
    at = {"line": 0, "character": 0}
    editor.notify("midfill/cursor", {"textDocument": {"uri": URI}, "position": at})
    await seen(editor)
    rested = [each for each in backend.events if isinstance(each, CursorRested)]
    assert [6, 14, 13] == [each.cursor.offset for each in rested]
    assert 3 == len({each.request_id for each in rested})
    assert "'cursor': True" in str(reply)


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
