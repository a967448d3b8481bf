"""What goes wrong in a session reaches the user once, and ends nothing."""

import pytest
from fault_backends import (
    EchoBackend,
    FixedConfigurator,
    RaisingBackend,
    SlowBackend,
)
from piped_editor import (
    Connect,
    completion_params,
    error_code,
)

from lsp_server.errors import ModelNotFoundError
from lsp_server.service.backend import Backend, EngineListener


async def test_shutdown_answers_what_is_in_flight(connect: Connect) -> None:
    """A running request gets an empty list, and its work is cancelled."""
    backend = SlowBackend()
    editor = await connect(backend)
    await editor.initialize()
    editor.open("x")
    asked = editor.ask_completion()
    await backend.begun.acquire()
    await editor.request("shutdown")
    assert (await editor.reply(asked))["result"] == []
    assert backend.cancelled == 1


async def test_a_backend_that_cannot_end_does_not_keep_the_server(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The server ends even if the backend fails to close."""

    class Clinging(EchoBackend):
        async def close(self) -> None:
            raise ZeroDivisionError

    editor = await connect(Clinging())
    await editor.initialize()
    assert (await editor.request("shutdown"))["result"] is None
    editor.notify("exit", None)
    assert 0 == await editor.exit_code()
    assert "session.close_failed" in caplog.text


async def test_a_bug_in_one_request_is_one_error(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The request gets an internal error without details; the next one is answered."""
    editor = await connect(RaisingBackend())
    await editor.initialize()
    editor.open("bug")
    reply = await editor.request("textDocument/inlineCompletion", completion_params())
    assert error_code(reply) == -32603
    assert "ZeroDivision" not in str(reply)
    assert "completion.crashed" in caplog.text
    editor.change(2, {"text": "fine"})
    assert len(await editor.complete()) == 1
    assert editor.reported("window/showMessage") == []


async def test_messages_of_the_settings_are_shown_once(
    connect: Connect, backend: EchoBackend
) -> None:
    """What is wrong at the start and after a change, each thing one time."""
    configurator = FixedConfigurator(
        lambda: backend, initial=["no such key"], changed=["no such key", "wrong type"]
    )
    editor = await connect(configurator=configurator)
    await editor.initialize()
    for settings in [{"a": 1}, None, {"a": 2}]:
        editor.notify("workspace/didChangeConfiguration", {"settings": settings})
    await editor.wait(lambda _: len(editor.reported("window/showMessage")) == 2)
    await editor.request("shutdown")
    assert configurator.settings == [{"a": 1}, {"a": 2}]
    shown = editor.reported("window/showMessage")
    assert ["no such key", "wrong type"] == [params["message"] for params in shown]
    assert all(params["type"] == 2 for params in shown)


async def test_a_backend_that_cannot_be_made_is_reported(connect: Connect) -> None:
    """The editor goes on without completions, and the user knows why."""

    def fail() -> Backend:
        raise ModelNotFoundError("no such folder", subject="/m", remedy="Name another")

    editor = await connect(configurator=FixedConfigurator(fail))
    await editor.initialize()
    editor.open("x")
    assert await editor.complete() == []
    (shown,) = editor.reported("window/showMessageRequest")
    assert shown["type"] == 1
    assert "/m: no such folder. Name another." in str(shown["message"])
    editor.notify("workspace/didChangeConfiguration", {"settings": {}})
    assert (await editor.request("shutdown"))["result"] is None


async def test_a_backend_that_fails_to_start_is_reported(connect: Connect) -> None:
    """An unexpected error is not shown in detail."""

    class Unstartable(EchoBackend):
        async def start(self, _listener: EngineListener) -> None:
            raise ZeroDivisionError("secret")

    editor = await connect(Unstartable())
    await editor.initialize()
    editor.open("x")
    assert await editor.complete() == []
    (shown,) = editor.reported("window/showMessageRequest")
    assert "secret" not in str(shown["message"])
    assert "internal error" in str(shown["message"])
