"""A headless client reads files and answers, and edits, as editors do."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from lsp_server.client.documents import (
    OpenFile,
    Suggestion,
    read_source,
    read_suggestions,
)
from lsp_server.errors import ClientError
from lsp_server.protocol.document import Document
from lsp_server.protocol.lines import PositionEncoding

TEXTS = st.text(alphabet="ab\n\f\u2028é😀", max_size=20)


@pytest.mark.parametrize("text", ["", "a\r\nb\rc\n", "é😀\n", "\0"])
def test_a_file_is_read_as_it_is(tmp_path: Path, text: str) -> None:
    """Line ends stay what they are."""
    path = tmp_path / "a.py"
    path.write_bytes(text.encode())
    assert text == read_source(path)


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (b"a\xe9\n", r"not UTF-8 \(byte 1\)"),
        (b"\xff\xfea\0", "byte 0"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported(
    tmp_path: Path, content: bytes | None, reported: str
) -> None:
    """Files in another encoding, and files that are not there."""
    path = tmp_path / "a.py"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ClientError, match=reported) as error:
        read_source(path)
    assert str(path) == error.value.subject


@given(TEXTS, TEXTS, st.data(), st.sampled_from(PositionEncoding))
def test_client_and_server_agree_on_every_edit(
    text: str, new: str, data: st.DataObject, encoding: PositionEncoding
) -> None:
    """What the client says of an edit does the same to the server's document."""
    file = OpenFile(uri="file:///a.py", language_id="python", text=text)
    document = Document(file.item(), encoding)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    params = file.edit(start, end, new, encoding)
    document.change(params.text_document.version, params.content_changes)
    assert text[:start] + new + text[end:] == file.text
    assert Document(file.item(), encoding)._lines.lines == document._lines.lines


ITEM = types.TextDocumentItem(
    uri="file:///a.py", language_id="python", version=1, text="a\n🚀b"
)
PLACE = types.Range(types.Position(1, 2), types.Position(1, 3))
Item = types.InlineCompletionItem


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (None, ()),
        ([], ()),
        ([Item("x")], (Suggestion(text="x", start=4, end=4),)),
        ([Item("x", range=PLACE)], (Suggestion(text="x", start=3, end=4),)),
        (
            types.InlineCompletionList([Item("x")]),
            (Suggestion(text="x", start=4, end=4),),
        ),
        (
            [Item(types.StringValue("f($1)"))],
            (Suggestion(text="f($1)", start=4, end=4),),
        ),
    ],
)
def test_results(result: object, expected: tuple[Suggestion, ...]) -> None:
    """Items with and without a range, snippets, lists, and nothing."""
    read = read_suggestions(result, ITEM, 4, encoding=PositionEncoding.UTF16)
    assert expected == read
