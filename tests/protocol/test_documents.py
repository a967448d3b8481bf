"""Which documents are open, and which get no completions until they are whole."""

import logging
from pathlib import Path

import pytest
from lsprotocol import types

from lsp_server.protocol.document_limits import DocumentRoom
from lsp_server.protocol.documents import Documents
from lsp_server.protocol.lines import PositionEncoding

URI = "file:///a.py"


START = types.Position(line=0, character=0)


def documents(text: str | None = "abc") -> Documents:
    """Make a store, with one document open in it or none."""
    store = Documents(PositionEncoding.UTF16)
    if text is not None:
        open_in(store, text)
    return store


def open_in(store: Documents, text: str, *, version: int = 1, uri: str = URI) -> None:
    """Open the document."""
    store.open(
        types.TextDocumentItem(
            uri=uri, language_id=types.LanguageKind.Python, version=version, text=text
        )
    )


def full(text: str) -> types.TextDocumentContentChangeWholeDocument:
    """A change to a whole text."""
    return types.TextDocumentContentChangeWholeDocument(text=text)


def partial(
    text: str, *, end: tuple[int, int] = (0, 0)
) -> types.TextDocumentContentChangePartial:
    """A change of what is before a place, from the beginning on."""
    range_ = types.Range(start=START, end=types.Position(*end))
    return types.TextDocumentContentChangePartial(range=range_, text=text)


def changed(
    version: int, *changes: types.TextDocumentContentChangeEvent
) -> types.DidChangeTextDocumentParams:
    """Make a notification of changes."""
    return types.DidChangeTextDocumentParams(
        text_document=types.VersionedTextDocumentIdentifier(uri=URI, version=version),
        content_changes=changes,
    )


def text_in(store: Documents) -> str | None:
    """Return the text that a request would see, if any."""
    snapshot = store.snapshot(URI, START)
    return snapshot.text if snapshot else None


def test_an_open_document_is_there() -> None:
    """What was opened comes back, with the language's name as plain text."""
    snapshot = documents().snapshot(URI, START)
    assert snapshot is not None
    assert (snapshot.text, snapshot.language_id) == ("abc", "python")


def test_a_closed_document_is_gone() -> None:
    """After closing there is no snapshot; closing twice is no error."""
    store = documents()
    store.close(URI)
    store.close(URI)
    assert text_in(store) is None


def test_a_file_that_was_never_opened_is_not_read(tmp_path: Path) -> None:
    """A file URI of an existing file gives nothing: there is no reading from disk."""
    path = tmp_path / "secret.py"
    path.write_text("secret")
    store = documents(None)
    assert store.snapshot(path.as_uri(), START) is None
    store.change(changed(2, full("x")))
    assert text_in(store) is None


@pytest.mark.parametrize("heal", ["open", "full text"])
def test_a_stale_change_silences_a_document_until_it_is_whole(heal: str) -> None:
    """After a stale change there is nothing, until the whole text is known again."""
    store = documents()
    store.change(changed(1, full("stale")))
    assert text_in(store) is None
    if heal == "open":
        open_in(store, "new")
    else:
        store.change(changed(2, full("new")))
    assert text_in(store) == "new"


def test_a_message_that_could_not_be_read_silences_a_document() -> None:
    """A lost message is a lost change; one about an unknown document is nothing."""
    store = documents()
    store.desynchronise("file:///other.py")
    assert text_in(store) == "abc"
    store.desynchronise(URI)
    assert text_in(store) is None


def test_trouble_is_logged_once_until_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line for each time that a document gets into trouble, without its text."""
    store = documents("secret")
    for _ in range(3):
        store.change(changed(1, full("secret")))
        store.snapshot(URI, START)
    assert ["document.unusable"] == [record.msg for record in caplog.records]
    store.change(changed(2, full("secret")))
    store.change(changed(2, full("secret")))
    assert 2 == len(caplog.records)
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    assert "secret" not in str([vars(record) for record in caplog.records])


def test_a_reversed_selection_gives_nothing() -> None:
    """A request's reversed range harms only that request."""
    store = documents()
    end = types.Position(line=0, character=2)
    assert store.snapshot_after(URI, types.Range(end, START), "x") is None
    snapshot = store.snapshot_after(URI, types.Range(START, end), "x")
    assert snapshot is not None
    assert snapshot.text == "xc"


def test_a_selection_in_an_unknown_document_gives_nothing() -> None:
    """There is nothing to put a selected item into."""
    store = documents(None)
    assert store.snapshot_after(URI, types.Range(START, START), "x") is None


def crowded(**limits: int) -> tuple[Documents, list[str]]:
    """Make a store with little room, and the warnings of its user."""
    store, warned = documents(None), list[str]()
    store.bound(DocumentRoom(warned.append, **limits))
    return store, warned


def test_too_many_documents_cost_themselves_alone() -> None:
    """Those that are open stay whole; after a close there is room again."""
    store, warned = crowded(most_documents=2)
    for number in range(4):
        open_in(store, "abc", uri=f"file:///{number}.py")
    assert ("file:///0.py", "file:///1.py") == store.uris
    assert 1 == len(warned)
    store.close("file:///0.py")
    open_in(store, "abc", uri="file:///3.py")
    assert ("file:///1.py", "file:///3.py") == store.uris
    open_in(store, "abc", uri="file:///4.py")
    assert 2 == len(warned)


def test_an_open_document_can_be_opened_again_where_there_is_no_room() -> None:
    """It takes its own place."""
    store, warned = crowded(most_documents=1)
    for text in ("abc", "defg"):
        open_in(store, text)
    assert ("defg", []) == (text_in(store), warned)


@pytest.mark.parametrize(
    "changes",
    [
        [full("x" * 2000)],
        [full("\n" * 50)],
        [partial("x" * 2000)],
        [partial("\n" * 50)],
        [partial("x" * 300), partial("y" * 700)],
    ],
    ids=["text", "lines", "a longer one", "more lines", "by and by"],
)
def test_a_document_that_outgrows_the_room_loses_its_text_alone(
    changes: list[types.TextDocumentContentChangeEvent],
) -> None:
    """It comes back with a full text for which there is room."""
    store, warned = crowded(most_bytes=1000)
    open_in(store, "other", uri="file:///b.py")
    open_in(store, "abc")
    for version, change in enumerate(changes, 2):
        store.change(changed(version, change))
    assert text_in(store) is None
    assert 1 == len(warned)
    other = store.snapshot("file:///b.py", START)
    assert other is not None
    assert "other" == other.text
    store.change(changed(9, full("small")))
    assert "small" == text_in(store)


def test_many_edits_use_up_no_room() -> None:
    """What an edit takes out is free for the next."""
    store, warned = crowded(most_bytes=1000)
    open_in(store, "a\nb\r\nc")
    for version in range(2, 500):
        store.change(changed(version, partial("x\ny\r" * (version % 3), end=(1, 1))))
        store.change(changed(version, full("a\nb\r\nc")))
        store.close("file:///none.py")
        open_in(store, "a\nb\r\nc", version=version)
    assert [] == warned
    assert text_in(store) is not None


def test_documents_that_are_not_open_are_logged_so_often_and_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An editor may name as many as it likes."""
    store = documents(None)
    for number in range(3000):
        store.snapshot(f"file:///{number}", START)
    assert 1000 == len(caplog.records)
