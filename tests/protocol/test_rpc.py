"""Every message is judged before anything is done with it, and none is logged."""

import logging

import pytest
from fault_backends import (
    EchoBackend,
    RaisingBackend,
)
from piped_editor import (
    Connect,
    Editor,
    Json,
    change_params,
    completion_params,
    error_code,
    frame,
)


@pytest.mark.parametrize(
    "method", ["shutdown", "textDocument/inlineCompletion", "no/such"]
)
async def test_requests_before_initialize(connect: Connect, method: str) -> None:
    """They are answered with ServerNotInitialized, and do no harm."""
    editor = await connect(EchoBackend())
    reply = await editor.request(method, completion_params())
    assert error_code(reply) == -32002
    editor.notify("textDocument/didOpen", {"nonsense": 1})
    assert "result" in await editor.initialize()


@pytest.mark.parametrize(
    "method", ["initialize", "shutdown", "textDocument/inlineCompletion", "no/such"]
)
async def test_requests_after_shutdown(editor: Editor, method: str) -> None:
    """They are answered with InvalidRequest; exit still works."""
    await editor.request("shutdown")
    assert error_code(await editor.request(method, completion_params())) == -32600
    editor.notify("exit", None)
    assert await editor.exit_code() == 0


async def test_a_request_right_behind_shutdown_is_refused(editor: Editor) -> None:
    """Shutdown counts from when it comes in, not from when it is done."""
    request: Json = {"method": "textDocument/inlineCompletion"}
    editor.send(
        {"id": 71, "method": "shutdown"},
        {"id": 72, **request, "params": completion_params()},
    )
    assert error_code(await editor.reply(72)) == -32600
    assert (await editor.reply(71))["result"] is None


async def test_a_second_initialize_is_refused(editor: Editor) -> None:
    """And the first one's session goes on."""
    reply = await editor.request("initialize", {"capabilities": {}})
    assert error_code(reply) == -32600
    editor.open("x")
    assert len(await editor.complete()) == 1


async def test_parameters_may_be_left_out(
    connect: Connect, backend: EchoBackend
) -> None:
    """The trace is of the last request, and ``initialized`` begins the session."""
    editor = await connect(backend)
    params: Json = {"capabilities": {}, "processId": None}
    await editor.request("initialize", params)
    editor.send({"method": "initialized"})
    editor.open("x")
    assert 1 == len(await editor.complete())
    editor.send({"id": 90, "method": "midfill/trace"})
    result = (await editor.reply(90))["result"]
    assert isinstance(result, dict)
    assert ["done"] == result["shown"]
    needed = ("textDocument/inlineCompletion", "workspace/executeCommand")
    for number, method in enumerate(needed):
        editor.send({"id": 91 + number, "method": method})
        assert -32602 == error_code(await editor.reply(91 + number))
    editor.send({"id": 93, "method": "shutdown"})
    assert (await editor.reply(93))["result"] is None


async def test_no_source_text_reaches_the_log(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even at DEBUG, and not when messages are broken or handlers fail."""
    caplog.set_level(logging.DEBUG)
    secret = "hunter2_bug"
    editor = await connect(RaisingBackend())
    await editor.initialize(initializationOptions={"key": secret})
    editor.open(f"x = {secret!r}")
    editor.change(2, {"text": f"y = {secret!r}"})
    await editor.request("textDocument/inlineCompletion", completion_params())
    await editor.request("textDocument/inlineCompletion", {"text": secret})
    await editor.request(secret, {"text": secret})
    editor.notify(secret, {"text": secret})
    editor.notify("textDocument/didOpen", {"textDocument": {"version": secret}})
    editor.send_bytes(b"Content-Length: 20\r\n\r\n{" + secret.encode() + b"aaaaaaaa")
    editor.send({"id": [secret], "method": secret})
    editor.send({"id": "nobody asked", "result": secret})
    editor.notify("textDocument/didChange", change_params(1, {"text": secret}))
    await editor.request("shutdown")
    logged = "\n".join(
        caplog.handler.format(record) + str(vars(record)) for record in caplog.records
    )
    assert "message.unreadable" in logged
    assert secret not in logged


@pytest.mark.parametrize(
    "message",
    [
        {"id": 999, "result": None},
        {"id": "midfill", "error": {"code": 1, "message": "x"}},
        {"id": 999, "error": 3},
        {"id": None, "error": {"code": 1, "message": "x"}},
        {"method": "$/progress", "params": {}},
        {"method": "shutdown"},
        {"method": "exit", "id": 8},
        {"method": "initialized", "id": 9, "params": {}},
        {"method": "$/cancelRequest", "params": {"id": [1]}},
        {"method": "$/setTrace", "params": {"value": "verbose"}},
        {"method": "notebookDocument/didOpen", "params": {}},
    ],
)
async def test_messages_that_nobody_needs_do_no_harm(
    editor: Editor, message: Json
) -> None:
    """Replies to nothing, notifications with an id, and what is not known."""
    editor.send(message)
    editor.open("x")
    assert 1 == len(await editor.complete())


async def test_a_body_that_is_no_json_is_answered(editor: Editor) -> None:
    """With -32700, a null id and no pop-up; the message behind it is handled."""
    editor.send_bytes(b'Content-Length: 5\r\n\r\n{"a"]')
    editor.open("x")
    assert 1 == len(await editor.complete())
    assert -32700 == error_code(await editor.reply(None))
    assert [] == editor.reported("window/showMessage")


@pytest.mark.parametrize("length", ["none", "-5", "99999999999"])
async def test_a_header_that_cannot_be_read_ends_the_connection(
    editor: Editor,
    backend: EchoBackend,
    caplog: pytest.LogCaptureFixture,
    length: str,
) -> None:
    """With one line in the log, and nothing behind it is guessed."""
    request = frame({"jsonrpc": "2.0", "id": 9, "method": "no/such"})
    editor.send_bytes(f"Content-Length: {length}\r\n\r\n".encode() + request)
    assert 1 == await editor.exit_code()
    reported = [
        record for record in caplog.records if record.msg == "stream.unreadable"
    ]
    assert 1 == len(reported)
    assert 1 == backend.closed
    assert [] == [m for m in editor.received if m.get("id") == 9]


def too_long(method: str, uri: str) -> bytes:
    """Make a message about a document that no editor of these tests may send."""
    document = {"uri": uri, "languageId": "python", "version": 2, "text": "x" * 10_000}
    change = {"contentChanges": [{"text": "y" * 10_000}]}
    params = {"textDocument": document, **change}
    return frame({"jsonrpc": "2.0", "method": method, "params": params})


@pytest.mark.parametrize(
    ("message", "usable"),
    [
        (too_long("textDocument/didOpen", "file:///huge.py"), ["a", "b"]),
        (too_long("textDocument/didChange", "file:///a.py"), ["b"]),
        (b"Content-Length: 30000\r\n\r\n" + b"x" * 30_000, []),
    ],
)
async def test_a_message_that_is_too_long_costs_its_document_alone(
    connect: Connect, message: bytes, usable: list[str]
) -> None:
    """It is answered with an error; whose text may have changed gets nothing more."""
    editor = await connect(EchoBackend(), max_body_bytes=5000)
    await editor.initialize()
    for name in ("a", "b"):
        editor.open("x", uri=f"file:///{name}.py")
    editor.send_bytes(message)
    assert -32700 == error_code(await editor.reply(None))
    for name in ("a", "b"):
        items = await editor.complete(uri=f"file:///{name}.py")
        assert (name in usable) is bool(items)
        editor.change(3, {"text": "whole again"}, uri=f"file:///{name}.py")
        assert 1 == len(await editor.complete(uri=f"file:///{name}.py"))
