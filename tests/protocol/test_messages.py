"""A body is distinguished from what is no message."""

import json

import pytest
from lsprotocol import converters, types

from lsp_server.protocol.messages import (
    Fault,
    Incoming,
    Lifecycle,
    MessageKind,
    Phase,
    plain_change,
    read_message,
)


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
        (
            b'{"jsonrpc":"2.0","id":7,"method":"m","params":{"textDocument":{"uri":"'
            + b"x" * 40_000
            + b'"}}}',
            -32600,
            7,
        ),
    ],
)
def test_what_is_no_message(body: bytes, code: int, message_id: object) -> None:
    """What is no JSON is a parse error; JSON that is no message an invalid request."""
    fault = read_message(body)
    assert isinstance(fault, Fault)
    assert (code, message_id) == (fault.code, fault.message_id)


def message(method: str) -> Incoming:
    """Make a message; a response where there is no method."""
    if not method:
        kind, message_id = MessageKind.RESPONSE, 1
    elif method in {"exit", "initialized"}:
        kind, message_id = MessageKind.NOTIFICATION, None
    else:
        kind, message_id = MessageKind.REQUEST, 1
    return Incoming(kind=kind, method=method, message_id=message_id, data={})


@pytest.mark.parametrize(
    ("phase", "method", "code"),
    [
        (Phase.NEW, "initialize", None),
        (Phase.NEW, "exit", None),
        (Phase.NEW, "shutdown", -32002),
        (Phase.NEW, "initialized", -32002),
        (Phase.NEW, "textDocument/inlineCompletion", -32002),
        (Phase.RUNNING, "initialize", -32600),
        (Phase.RUNNING, "textDocument/inlineCompletion", None),
        (Phase.RUNNING, "", None),
        (Phase.SHUT_DOWN, "textDocument/inlineCompletion", -32600),
        (Phase.SHUT_DOWN, "shutdown", -32600),
        (Phase.SHUT_DOWN, "initialize", -32600),
        (Phase.SHUT_DOWN, "exit", None),
        (Phase.SHUT_DOWN, "", None),
    ],
)
def test_what_a_phase_refuses(phase: Phase, method: str, code: int | None) -> None:
    """In this phase, this method is refused with this code, or let in."""
    lifecycle = Lifecycle()
    lifecycle.phase = phase
    fault = lifecycle.refusal(message(method))
    assert code == (fault.code if fault else None)


def test_the_phases_follow_each_other() -> None:
    """``initialize`` starts the work, ``shutdown`` ends it and makes the exit good."""
    lifecycle = Lifecycle()
    assert (Phase.NEW, 1) == (lifecycle.phase, lifecycle.exit_code)
    lifecycle.passed(message("initialize"))
    assert (Phase.RUNNING, 1) == (lifecycle.phase, lifecycle.exit_code)
    lifecycle.passed(message("textDocument/inlineCompletion"))
    lifecycle.passed(message("shutdown"))
    assert (Phase.SHUT_DOWN, 0) == (lifecycle.phase, lifecycle.exit_code)


def test_a_notification_does_not_pass_as_a_request() -> None:
    """``initialize`` and ``shutdown`` without an id are neither."""
    lifecycle = Lifecycle()
    fake = Incoming(
        kind=MessageKind.NOTIFICATION, method="initialize", message_id=None, data={}
    )
    assert lifecycle.refusal(fake) is not None
    lifecycle.passed(fake)
    assert lifecycle.phase is Phase.NEW


def _change(version: object = 3, **change: object) -> Incoming:
    """Return the message of one change."""
    document = {"uri": "file:///a.py", "version": version}
    params = {"textDocument": document, "contentChanges": [change]}
    body = {"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params}
    message = read_message(json.dumps(body).encode())
    assert isinstance(message, Incoming)
    return message


def _range(line: object = 1, character: object = 4) -> dict[str, object]:
    return {
        "start": {"line": line, "character": character},
        "end": {"line": 2, "character": 9},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"text": "x", "range": _range()},
        {"text": "\ud83d", "range": _range(0, 2**31 - 1)},
    ],
)
def test_a_change_by_typing_is_what_lsprotocol_makes_of_it(
    change: dict[str, object],
) -> None:
    """The way that takes less time comes to the same parameters."""
    message = _change(**change)

    structured = converters.get_converter().structure(
        message.data, types.DidChangeTextDocumentNotification
    )

    assert plain_change(message) == structured.params


def test_the_length_of_what_was_replaced_is_not_used() -> None:
    """VS Code sends it with each change."""
    with_length = _change(text="x", range=_range(), rangeLength=3)

    assert plain_change(with_length) == plain_change(_change(text="x", range=_range()))
    assert plain_change(with_length) is not None


@pytest.mark.parametrize(
    "message",
    [
        _change(text="all of it"),
        _change(text="all of it", range=None),
        _change(text=1, range=_range()),
        _change(text="x", range=_range(line=True)),
        _change(text="x", range=_range(line=-1)),
        _change(text="x", range=_range(character=2**31)),
        _change(text="x", range={"start": {"line": 1}}),
        _change(text="x", range=_range(), version="3"),
        _change(text="x", range=_range(), version=True),
        Incoming(
            kind=MessageKind.NOTIFICATION,
            method="textDocument/didSave",
            message_id=None,
            data=_change(text="x", range=_range()).data,
        ),
    ],
)
def test_what_is_no_change_by_typing_is_left_to_lsprotocol(message: Incoming) -> None:
    """Nothing is taken for less than it is."""
    assert plain_change(message) is None
