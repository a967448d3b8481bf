"""A server's reply becomes suggestions in terms of the text that was asked about."""

import pytest
from lsprotocol import converters, types

from lsp_server.client.answer import Suggestion, read_suggestions
from lsp_server.client.server_process import Reply
from lsp_server.errors import ClientError
from lsp_server.protocol.lines import PositionEncoding

ITEM = types.TextDocumentItem(
    uri="file:///a.py", language_id="python", version=1, text="a\n🚀b"
)
AT = {"start": {"line": 1, "character": 2}, "end": {"line": 1, "character": 3}}


def read(reply: Reply) -> tuple[Suggestion, ...] | None:
    """Read a reply to a request at the text's end."""
    return read_suggestions(
        reply,
        ITEM,
        4,
        encoding=PositionEncoding.UTF16,
        converter=converters.get_converter(),
    )


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (None, ()),
        ([], ()),
        ([{"insertText": "x"}], (Suggestion(text="x", start=4, end=4),)),
        ([{"insertText": "x", "range": AT}], (Suggestion(text="x", start=3, end=4),)),
        (
            [{"insertText": {"kind": "snippet", "value": "f($1)"}}],
            (Suggestion(text="f($1)", start=4, end=4),),
        ),
    ],
)
def test_results(result: object, expected: tuple[Suggestion, ...]) -> None:
    """Items with and without a range, snippets, and nothing."""
    assert expected == read(Reply(result=result))


def test_a_cancelled_request_has_no_suggestions() -> None:
    """It is told apart from a request that was answered with nothing."""
    assert None is read(Reply(result=None, error_code=-32800))


def test_an_error_is_raised() -> None:
    """Code and message of the server are told."""
    with pytest.raises(ClientError, match="error -32603, 'broken'"):
        read(Reply(result=None, error_code=-32603, error_message="broken"))
