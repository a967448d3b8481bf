"""A body is told apart from what is no message."""

import pytest

from lsp_server.protocol.messages import Fault, Incoming, MessageKind, read_message


@pytest.mark.parametrize(
    ("body", "kind", "method", "message_id"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"m"}', MessageKind.REQUEST, "m", 1),
        (b'{"jsonrpc":"2.0","id":"a","method":"m"}', MessageKind.REQUEST, "m", "a"),
        (b'{"jsonrpc":"2.0","method":"m"}', MessageKind.NOTIFICATION, "m", None),
        (b'{"jsonrpc":"2.0","id":1,"result":null}', MessageKind.RESPONSE, "", 1),
        (b'{"jsonrpc":"2.0","id":null,"error":{}}', MessageKind.RESPONSE, "", None),
    ],
)
def test_the_kinds_of_messages(
    body: bytes, kind: MessageKind, method: str, message_id: object
) -> None:
    """An id and a method make a request, and so on."""
    message = read_message(body)
    assert isinstance(message, Incoming)
    assert (kind, method, message_id) == (
        message.kind,
        message.method,
        message.message_id,
    )


@pytest.mark.parametrize(
    ("body", "code", "message_id"),
    [
        (b"", -32700, None),
        (b"{", -32700, None),
        (b'{"a":"\xff"}', -32700, None),
        ("{}".encode("utf-16"), -32700, None),
        (b"[" * 100_000, -32700, None),
        (b'{"a":' * 100_000, -32700, None),
        (b'{"id":' + b"1" * 5000 + b"}", -32700, None),
        (b"[]", -32600, None),
        (b"3", -32600, None),
        (b'{"id":7,"method":"m"}', -32600, 7),
        (b'{"jsonrpc":"1.0","id":7,"method":"m"}', -32600, 7),
        (b'{"jsonrpc":"2.0","id":[1],"method":"m"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":true,"method":"m"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"m"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":null,"method":"m"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":7,"method":3}', -32600, 7),
        (b'{"jsonrpc":"2.0","id":7}', -32600, 7),
        (b'[{"jsonrpc":"2.0","id":7,"method":"m"}]', -32600, None),
    ],
)
def test_what_is_no_message(body: bytes, code: int, message_id: object) -> None:
    """What is no JSON is a parse error; JSON that is no message an invalid request."""
    fault = read_message(body)
    assert isinstance(fault, Fault)
    assert (code, message_id) == (fault.code, fault.message_id)
