"""``textDocument/didChange``: the server's text is the editor's, in every encoding."""

import pytest
from lsp_editor import LspEditor, Start, edit
from lsprotocol import types

Kind = types.PositionEncodingKind
FAR = 2**31 - 1


async def length_of(editor: LspEditor, line: int) -> int | None:
    """Return a line's length in the server's text, in code units.

    A request far right of the line end means the line end, and its item says where
    that is.
    """
    (item,) = await editor.complete(line, FAR)
    assert item.range is not None
    assert item.range.start == item.range.end
    assert line == item.range.start.line
    return item.range.start.character


@pytest.mark.parametrize(
    ("kind", "rocket", "accent"),
    [(Kind.Utf8, 4, 2), (Kind.Utf16, 2, 1), (Kind.Utf32, 1, 1)],
)
async def test_edits_reach_the_server(
    start: Start, kind: Kind, rocket: int, accent: int
) -> None:
    """Characters of every width, and characters that only look like line ends."""
    editor = await start(SCRIPTED_TEXT="21 + 21")
    result = await editor.introduce(encodings=[kind])
    assert kind == result.capabilities.position_encoding
    await editor.wait_until_ready()
    editor.open("a = '\f\v\x85\u2028🚀'\r\nb🚀 = \r\n")
    assert 4 + rocket == await length_of(editor, 1)
    at = 1 + rocket
    editor.change(
        2,
        edit((1, at), (1, at), "é"),
        edit((1, at + accent), (1, at + accent), "🚀c"),
    )
    assert 5 + 2 * rocket + accent == await length_of(editor, 1)
    editor.change(3, edit((1, 0), (1, 1 + rocket), ""), edit((0, 0), (0, 0), "k = \n"))
    assert 4 == await length_of(editor, 0)
    assert 4 + accent + rocket == await length_of(editor, 2)
    editor.change(4, types.TextDocumentContentChangeWholeDocument("é = "))
    assert 3 + accent == await length_of(editor, 0)


async def test_a_document_that_got_out_of_step_is_silent_until_it_is_whole(
    editor: LspEditor,
) -> None:
    """A stale version and a reversed range cost the document its completions."""
    for uri, version, change in (
        ("file:///stale.py", 1, edit((0, 0), (0, 0), "y = ")),
        ("file:///reversed.py", 2, edit((0, 3), (0, 1), "y = ")),
    ):
        editor.open("x = ", uri=uri)
        assert 1 == len(await editor.complete(0, 4, uri=uri))
        editor.change(version, change, uri=uri)
        assert [] == list(await editor.complete(0, 4, uri=uri))
        editor.change(3, edit((0, 0), (0, 0), "y"), uri=uri)
        assert [] == list(await editor.complete(0, 4, uri=uri))
        whole = types.TextDocumentContentChangeWholeDocument("zz = ")
        editor.change(4, whole, uri=uri)
        assert 1 == len(await editor.complete(0, 5, uri=uri))
    assert [] == editor.messages
