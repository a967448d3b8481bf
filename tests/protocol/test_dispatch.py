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


async def test_a_wrong_length_does_not_cost_the_next_message(connect: Connect) -> None:
    """One error with a null id, and the request behind it is answered."""
    editor = await connect(EchoBackend())
    await editor.initialize()
    editor.open("x")
    asked = frame(
        {
            "jsonrpc": "2.0",
            "id": 5,
            "method": "textDocument/inlineCompletion",
            "params": completion_params(),
        }
    )
    editor.send_bytes(b'Content-Length: 3\r\n\r\n{"a":1}' + asked)
    assert 1 == len(await editor.items(5))
    assert -32700 == error_code(await editor.reply(None))
