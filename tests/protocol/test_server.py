"""The whole server over pipes: from the handshake to the exit status."""

import asyncio
import inspect
import logging
import os
import signal
import time

import pytest
from fault_backends import (
    EchoBackend,
    FixedConfigurator,
    LoadingBackend,
    RaisingBackend,
    SlowBackend,
)
from piped_editor import (
    Connect,
    Editor,
    Json,
    change_params,
    completion_params,
    frame,
)

from lsp_server.errors import ModelNotFoundError
from lsp_server.protocol.server import MidfillServer
from lsp_server.service.backend import Backend, EngineListener
from lsp_server.values import EngineState


async def test_initialize_tells_what_the_server_can(connect: Connect) -> None:
    """The capabilities are the ones that exist, and no more."""
    editor = await connect(EchoBackend())
    reply = await editor.initialize()
    result = reply["result"]
    assert isinstance(result, dict)
    assert result["serverInfo"]["name"] == "midfill"
    assert result["capabilities"] == {
        "positionEncoding": "utf-16",
        "textDocumentSync": {"openClose": True, "change": 2, "save": False},
        "inlineCompletionProvider": {},
        "experimental": {"midfill": {"timings": True}},
    }


async def test_initialize_is_answered_while_the_engine_loads(connect: Connect) -> None:
    """The answer takes less than half a second; completions are empty until ready."""
    backend = LoadingBackend()
    editor = await connect(backend)
    started = time.perf_counter()
    await editor.initialize()
    assert time.perf_counter() - started < 0.5
    editor.open("x")
    assert await editor.complete() == []
    backend.tell(EngineState.READY, "")
    assert len(await editor.complete()) == 1
    assert len(backend.snapshots) == 1


async def test_the_engine_starts_after_initialized_and_only_once(
    connect: Connect, backend: EchoBackend
) -> None:
    """Before ``initialized`` there is no backend; a second one makes no second."""
    configurator = FixedConfigurator(lambda: backend)
    editor = await connect(configurator=configurator)
    await editor.request(
        "initialize", {"capabilities": {}, "initializationOptions": {"a": [1]}}
    )
    assert configurator.options == []
    editor.notify("initialized", {})
    editor.notify("initialized", {})
    editor.open("x")
    assert len(await editor.complete()) == 1
    assert configurator.options == [{"a": [1]}]


async def test_shutdown_and_exit_end_with_zero(
    editor: Editor, backend: EchoBackend
) -> None:
    """The backend has ended when shutdown is answered, and exit ends the server."""
    assert (await editor.request("shutdown"))["result"] is None
    assert backend.closed == 1
    editor.notify("exit", None)
    assert await editor.exit_code() == 0
    assert editor.ends == [0]
    assert backend.closed == 1


async def test_shutdown_and_exit_in_one_breath(
    editor: Editor, backend: EchoBackend
) -> None:
    """Exit does not overtake the end of the backend, and shutdown is answered."""
    editor.send({"id": 77, "method": "shutdown"}, {"method": "exit"})
    assert await editor.exit_code() == 0
    assert (await editor.reply(77))["result"] is None
    assert backend.closed == 1


async def test_exit_without_shutdown_ends_with_one(
    editor: Editor, backend: EchoBackend
) -> None:
    """The backend is ended all the same."""
    editor.notify("exit", None)
    assert await editor.exit_code() == 1
    assert backend.closed == 1


async def test_exit_before_initialize_ends_with_one(connect: Connect) -> None:
    """There is nothing to end but the server itself."""
    editor = await connect(EchoBackend())
    editor.notify("exit", None)
    assert await editor.exit_code() == 1


async def test_the_end_of_input_ends_the_server(
    editor: Editor, backend: EchoBackend
) -> None:
    """An editor that hangs up leaves no server and no engine."""
    editor.hang_up()
    assert await editor.exit_code() == 1
    assert backend.closed == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_the_server(
    editor: Editor, backend: EchoBackend, number: signal.Signals
) -> None:
    """The engine is ended in order."""
    os.kill(os.getpid(), number)
    assert await editor.exit_code() == 1
    assert backend.closed == 1


async def test_a_backend_that_cannot_end_does_not_keep_the_server(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Shutdown is answered even if the backend fails to close."""

    class Clinging(EchoBackend):
        async def close(self) -> None:
            raise ZeroDivisionError

    editor = await connect(Clinging())
    await editor.initialize()
    assert (await editor.request("shutdown"))["result"] is None
    assert "session.close_failed" in caplog.text


@pytest.mark.parametrize(
    "method", ["shutdown", "textDocument/inlineCompletion", "no/such"]
)
async def test_requests_before_initialize(connect: Connect, method: str) -> None:
    """They are answered with ServerNotInitialized, and do no harm."""
    editor = await connect(EchoBackend())
    reply = await editor.request(method, completion_params())
    assert error_of(reply) == -32002
    editor.notify("textDocument/didOpen", {"nonsense": 1})
    assert "result" in await editor.initialize()


@pytest.mark.parametrize(
    "method", ["initialize", "shutdown", "textDocument/inlineCompletion", "no/such"]
)
async def test_requests_after_shutdown(editor: Editor, method: str) -> None:
    """They are answered with InvalidRequest; exit still works."""
    await editor.request("shutdown")
    assert error_of(await editor.request(method, completion_params())) == -32600
    editor.notify("exit", None)
    assert await editor.exit_code() == 0


async def test_a_request_right_behind_shutdown_is_refused(editor: Editor) -> None:
    """Shutdown counts from when it comes in, not from when it is done."""
    request: Json = {"method": "textDocument/inlineCompletion"}
    editor.send(
        {"id": 71, "method": "shutdown"},
        {"id": 72, **request, "params": completion_params()},
    )
    assert error_of(await editor.reply(72)) == -32600
    assert (await editor.reply(71))["result"] is None


async def test_a_second_initialize_is_refused(editor: Editor) -> None:
    """And the first one's session goes on."""
    reply = await editor.request("initialize", {"capabilities": {}})
    assert error_of(reply) == -32600
    editor.open("x")
    assert len(await editor.complete()) == 1


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


async def test_a_slow_handler_blocks_nobody(connect: Connect) -> None:
    """While one request waits, documents change and other requests are answered."""
    backend = SlowBackend()
    editor = await connect(backend)
    await editor.initialize()
    editor.open("slow", uri="file:///slow.py")
    waiting = editor.ask_completion(uri="file:///slow.py")
    await backend.begun.acquire()
    backend.answer = EchoBackend().answer  # type: ignore[method-assign]  # fast from here
    editor.open("x")
    editor.change(2, {"text": "y"})
    assert len(await editor.complete()) == 1
    assert backend.snapshots[-1].text == "y"
    backend.release.set()
    assert await editor.reply(waiting)


def test_every_handler_that_waits_is_a_coroutine() -> None:
    """A plain function would block the loop, one in a thread cannot be cancelled."""
    server = MidfillServer(FixedConfigurator(EchoBackend), lambda _: None)
    handlers = server.protocol.fm.features
    assert set(handlers) == {
        "initialized",
        "textDocument/inlineCompletion",
        "workspace/didChangeConfiguration",
    }
    for handler in handlers.values():
        assert inspect.iscoroutinefunction(handler)
    assert server._thread_pool is None


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


async def test_a_bug_in_one_request_is_one_error(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The request gets an internal error without details; the next one is answered."""
    editor = await connect(RaisingBackend())
    await editor.initialize()
    editor.open("bug")
    reply = await editor.request("textDocument/inlineCompletion", completion_params())
    assert error_of(reply) == -32603
    assert "ZeroDivision" not in str(reply)
    assert "completion.crashed" in caplog.text
    editor.change(2, {"text": "fine"})
    assert len(await editor.complete()) == 1
    assert editor.told("window/showMessage") == []


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
    await editor.request("shutdown")
    assert configurator.settings == [{"a": 1}, {"a": 2}]
    shown = editor.told("window/showMessage")
    assert ["no such key", "wrong type"] == [params["message"] for params in shown]
    assert all(params["type"] == 2 for params in shown)


async def test_a_backend_that_cannot_be_made_is_told(connect: Connect) -> None:
    """The editor goes on without completions, and the user knows why."""

    def fail() -> Backend:
        raise ModelNotFoundError("no such folder", subject="/m", remedy="Name another")

    editor = await connect(configurator=FixedConfigurator(fail))
    await editor.initialize()
    editor.open("x")
    assert await editor.complete() == []
    (shown,) = editor.told("window/showMessage")
    assert shown["type"] == 1
    assert "/m: no such folder. Name another." in str(shown["message"])
    editor.notify("workspace/didChangeConfiguration", {"settings": {}})
    assert (await editor.request("shutdown"))["result"] is None


async def test_a_backend_that_fails_to_start_is_told(connect: Connect) -> None:
    """An unexpected error is not shown in detail."""

    class Unstartable(EchoBackend):
        async def start(self, _listener: EngineListener) -> None:
            raise ZeroDivisionError("secret")

    editor = await connect(Unstartable())
    await editor.initialize()
    editor.open("x")
    assert await editor.complete() == []
    (shown,) = editor.told("window/showMessage")
    assert "secret" not in str(shown["message"])
    assert "internal error" in str(shown["message"])


async def test_a_stream_without_messages_ends_the_server(connect: Connect) -> None:
    """After a fault it waits for a header, but not for ever."""
    editor = await connect(EchoBackend(), max_body_bytes=1000)
    await editor.initialize()
    editor.send_bytes(b"Content-Length: none\r\n\r\n" + b"x" * 5000)
    assert 1 == await editor.exit_code()


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
    assert -32700 == error_of(await editor.reply(None))


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


async def test_an_editor_that_reads_nothing_is_given_up(connect: Connect) -> None:
    """Replies that nobody reads do not fill the memory: the server ends."""
    editor = await connect(EchoBackend())
    await editor.initialize()
    editor.stop_reading()
    request = frame({"jsonrpc": "2.0", "id": "x" * 300_000, "method": "no/such"})
    sending = asyncio.create_task(editor.send_long(request * 400))
    assert await editor.exit_code() == 1
    editor.break_server_input()
    await asyncio.wait({sending})
    assert isinstance(sending.exception(), BrokenPipeError | None)


def error_of(reply: Json) -> object:
    """Return an error reply's code."""
    error = reply["error"]
    assert isinstance(error, dict)
    return error["code"]
