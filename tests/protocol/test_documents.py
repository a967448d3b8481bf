"""Which documents are open, and which get no completions until they are whole."""

import logging
from pathlib import Path

import pytest
from lsprotocol import types

from lsp_server.protocol.document import Documents
from lsp_server.protocol.lines import PositionEncoding

URI = "file:///a.py"


START = types.Position(line=0, character=0)


def documents(text: str | None = "abc") -> Documents:
    """Make a store, with one document open in it or none."""
    store = Documents(PositionEncoding.UTF16)
    if text is not None:
        open_in(store, text)
    return store


def open_in(store: Documents, text: str, *, version: int = 1) -> None:
    """Open the document."""
    store.open(
        types.TextDocumentItem(
            uri=URI, language_id=types.LanguageKind.Python, version=version, text=text
        )
    )


def full(text: str) -> types.TextDocumentContentChangeWholeDocument:
    """A change to a whole text."""
    return types.TextDocumentContentChangeWholeDocument(text=text)


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
