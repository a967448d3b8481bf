"""A server's reply becomes suggestions in terms of the text that was asked about."""

import pytest
from lsprotocol import types

from lsp_server.client.answer import Suggestion, read_suggestions
from lsp_server.protocol.lines import PositionEncoding

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
