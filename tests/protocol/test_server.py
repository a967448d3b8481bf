"""The whole server over pipes: from the handshake to the exit status."""

import asyncio

import pytest
from fault_backends import (
    EchoBackend,
    FixedConfigurator,
    LoadingBackend,
    SlowBackend,
)
from piped_editor import (
    Connect,
    Editor,
    frame,
)

from lsp_server.engine_values import EngineState
from lsp_server.outcomes import Completion
from lsp_server.values import Snapshot


async def test_initialize_tells_what_the_server_can(connect: Connect) -> None:
    """The capabilities are the ones that exist, and no more."""
    editor = await connect(EchoBackend())
    reply = await editor.initialize()
    result = reply["result"]
    assert isinstance(result, dict)
    assert result["serverInfo"]["name"] == "midfill"
    assert result["capabilities"] == {
        "positionEncoding": "utf-16",
        "textDocumentSync": {"openClose": True, "change": 2, "save": True},
        "inlineCompletionProvider": {},
        "workspace": {
            "workspaceFolders": {"supported": True, "changeNotifications": True}
        },
        "executeCommandProvider": {"commands": ["midfill.accepted"]},
        "experimental": {
            "midfill": {
                "timings": True,
                "status": True,
                "trace": True,
                "diagnostics": True,
                "cursor": True,
            }
        },
    }


async def test_initialize_is_answered_while_the_engine_loads(connect: Connect) -> None:
    """Completions are empty until it is ready."""
    backend = LoadingBackend()
    editor = await connect(backend)
    await editor.initialize()
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
    """Shutdown is answered while the backend stands; exit ends it and the server."""
    assert (await editor.request("shutdown"))["result"] is None
    assert backend.closed == 0
    editor.notify("exit", None)
    assert await editor.exit_code() == 0
    assert editor.ends == [0]
    assert backend.closed == 1


@pytest.mark.parametrize("state", list(EngineState))
async def test_shutdown_is_answered_at_once_in_every_state(
    connect: Connect, state: EngineState
) -> None:
    """Whatever the engine does, and however long its end would take."""
    released = asyncio.Event()

    class Endless(LoadingBackend):
        async def close(self) -> None:
            await released.wait()

    backend = Endless()
    editor = await connect(backend)
    await editor.initialize()
    while backend.listener is None:
        await editor.request("no/such")
    backend.tell(state, "so it is")
    assert (await editor.request("shutdown"))["result"] is None
    released.set()


async def test_requests_in_flight_are_answered_at_shutdown(connect: Connect) -> None:
    """With nothing, before the engine has let go of them."""

    class Holding(SlowBackend):
        async def answer(self, snapshot: Snapshot) -> tuple[Completion, ...]:
            try:
                return await super().answer(snapshot)
            finally:
                await self.release.wait()

    backend = Holding()
    editor = await connect(backend)
    await editor.initialize()
    editor.open("x")
    asked = editor.ask_completion()
    await backend.begun.acquire()
    await editor.request("shutdown")
    assert [] == await editor.items(asked)
    backend.release.set()


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
