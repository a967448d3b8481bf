"""Editors that share one daemon, started and found by ``midfill serve --stdio``."""

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import psutil
import pytest
from daemons import DaemonHome, daemon_home
from launched_server import MIDFILL, LaunchedServer, launched
from piped_editor import CAPABILITIES, Json

START = {side: {"line": 0, "character": 0} for side in ("start", "end")}

StartEditor = Callable[..., Awaitable[LaunchedServer]]


@pytest.fixture
def home() -> Iterator[DaemonHome]:
    """A user without a daemon."""
    with daemon_home() as made:
        yield made


@pytest.fixture
async def start(home: DaemonHome) -> AsyncGenerator[StartEditor]:
    """Start editors of the home's user, each with an attached server."""
    async with AsyncExitStack() as stack:
        count = 0

        async def start_one(**environment: str) -> LaunchedServer:
            nonlocal count
            count += 1
            log = home.folder / f"editor-{count}.log"
            given = home.environment | environment
            return await stack.enter_async_context(launched(MIDFILL, log, **given))

        yield start_one


async def opened(server: LaunchedServer, text: str = "x = ") -> None:
    """Introduce the editor, and open a document."""
    capabilities = {**CAPABILITIES, "experimental": {"midfill": {"status": True}}}
    params = {
        "processId": None,
        "capabilities": capabilities,
        "clientInfo": {"name": "Test Editor", "version": "1.2"},
    }
    await server.editor.request("initialize", params)
    server.editor.notify("initialized", {})
    server.editor.open(text)
    await ready(server)


async def ready(server: LaunchedServer, after: int = 0) -> None:
    """Wait until the engine is ready, as the status says after some messages."""

    def is_ready(message: Json) -> bool:
        if message.get("method") != "midfill/status":
            return False
        params = message["params"]
        return isinstance(params, dict) and params["state"] == "ready"

    received = server.editor.received
    await server.editor.wait(
        lambda message: is_ready(message) and message in received[after:]
    )


def messages(server: LaunchedServer) -> list[str]:
    """Return what was shown to the user."""
    return [
        str(params["message"])
        for params in server.editor.reported("window/showMessage")
    ]


async def test_two_editors_share_one_engine(
    home: DaemonHome, start: StartEditor
) -> None:
    """The status names both, and nothing but the daemon has an engine."""
    first, second = await start(), await start()
    await opened(first)
    await opened(second)
    assert 1 == len(await first.editor.complete(0, 4))
    assert 1 == len(await second.editor.complete(0, 4))
    status = home.status()
    assert 1 == len(status["engines"])  # type: ignore[arg-type]  # JSON
    connections = status["connections"]
    assert isinstance(connections, list)
    assert [("Test Editor", "1.2", 1, 1)] * 2 == [
        (c["editor"], c["version"], c["documents"], c["requests"]) for c in connections
    ]
    text = home.midfill("daemon", "status").stdout
    assert "Test Editor 1.2, 1 document, 1 request" in text
    assert "0 restarts, 2 editors" in text
    assert 2 == text.count("Test Editor")


async def test_twenty_start_one_daemon(home: DaemonHome, start: StartEditor) -> None:
    """Whoever comes first holds the lock, and nobody takes the other's socket."""
    servers = [await start() for _ in range(20)]
    async with asyncio.TaskGroup() as group:
        for server in servers:
            group.create_task(server.editor.initialize())
    assert 1 == len(home.processes())
    assert 20 == len(home.status()["connections"])  # type: ignore[arg-type]  # JSON
    assert 1 == home.log.count("daemon.ready")


async def test_a_daemon_that_is_killed_costs_a_pause_and_one_message(
    home: DaemonHome, start: StartEditor
) -> None:
    """Another one gets the document as it is by then; so again the next time."""
    server = await start(
        MIDFILL_SCRIPTED_TOKEN_DELAY_MS="200", MIDFILL_COMPLETION_CACHE="false"
    )
    editor = server.editor
    await opened(server, "x = \n")
    for round_ in range(2):
        before = len(editor.received)
        daemon = home.wait_for_one()
        asked = editor.ask_completion(round_, 4)
        daemon.send_signal(signal.SIGKILL)
        assert [] == (await editor.reply(asked))["result"]
        editor.change(2 + round_, {"range": START, "text": "y = 1\n"})
        await ready(server, before)
        items = await editor.complete(1 + round_, 4)
        assert ["21 + 21"] == [item["insertText"] for item in items]
    shown = messages(server)
    assert ["Midfill's daemon has stopped. It is being started again."] == shown
    assert 1 == len(home.processes())


async def test_an_open_progress_bar_ends_with_its_daemon(
    home: DaemonHome, start: StartEditor
) -> None:
    """Nobody else would end it."""
    server = await start(MIDFILL_SCRIPTED_START_DELAY_MS="600000")
    await server.editor.initialize()
    await server.editor.wait(lambda message: kind_of(message) == "begin")
    home.wait_for_one().kill()
    await server.editor.wait(lambda message: kind_of(message) == "end")


async def test_a_stopped_daemon_stays_stopped(
    home: DaemonHome, start: StartEditor
) -> None:
    """Until somebody starts one; then the editor goes on by itself."""
    server = await start()
    await opened(server)
    assert "is stopped" in home.midfill("daemon", "stop").stdout
    await server.editor.wait(lambda _: bool(messages(server)))
    assert "midfill daemon start" in messages(server)[0]
    assert [] == await server.editor.complete(0, 4)
    assert [] == home.processes()
    before = len(server.editor.received)
    home.midfill("daemon", "start")
    await ready(server, before)
    assert 1 == len(await server.editor.complete(0, 4))


async def test_a_restart_needs_no_message(home: DaemonHome, start: StartEditor) -> None:
    """The user has asked for it; the editor's log has it."""
    server = await start()
    await opened(server)
    before = len(server.editor.received)
    assert 0 == home.midfill("daemon", "restart").returncode
    await ready(server, before)
    assert 1 == len(await server.editor.complete(0, 4))
    assert [] == messages(server)


async def test_two_versions_stand_side_by_side(
    home: DaemonHome, start: StartEditor
) -> None:
    """Each has its own daemon, and neither speaks with the other's."""
    ours = await start()
    others = await start(**home.other_version())
    await opened(ours)
    await opened(others)
    assert 2 == len(home.processes())
    status = home.status()
    assert 1 == len(status["connections"])  # type: ignore[arg-type]  # JSON


async def test_an_editor_that_is_killed_leaves_the_daemon(start: StartEditor) -> None:
    """Although a child of the editor's holds its stdin; the other one goes on."""
    other = await start()
    await opened(other)
    holder = await asyncio.create_subprocess_exec("sleep", "600")
    server = await start()
    params = {"processId": holder.pid, "capabilities": {}}
    await server.editor.request("initialize", params)
    holder.kill()
    await holder.wait()
    assert 1 == await server.editor.exit_code()
    assert "editor has ended" in server.stderr
    assert 1 == len(await other.editor.complete(0, 4))


async def test_an_editor_that_does_not_run_is_told_so(start: StartEditor) -> None:
    """Such as one in another container: the error says what to send, then it ends."""
    server = await start()
    params = {"processId": 2**22 + 1, "capabilities": {}}
    reply = await server.editor.request("initialize", params)
    assert "processId" in str(reply["error"])
    assert 1 == await server.editor.exit_code()


async def test_without_a_place_the_editor_has_its_own_engine(
    home: DaemonHome, start: StartEditor
) -> None:
    """In mode auto, with one message; in mode require there is an error."""
    home.spoil()
    server = await start(MIDFILL_DAEMON_MODE="auto")
    await server.editor.initialize()
    server.editor.open("x = ")
    await server.editor.wait_until_ready()
    assert 1 == len(await server.editor.complete(0, 4))
    assert 1 == len(messages(server))
    assert "others may use it" in messages(server)[0]
    required = await start()
    asked = required.editor.ask("initialize", {"processId": None, "capabilities": {}})
    error = (await required.editor.reply(asked))["error"]
    assert isinstance(error, dict)
    assert "others may use it" in str(error["message"])
    assert 1 == await required.editor.exit_code()


async def test_an_editor_says_that_it_wants_its_own_engine(
    home: DaemonHome, start: StartEditor
) -> None:
    """Its ``initializationOptions`` come before the environment."""
    server = await start()
    options = {"midfill": {"daemon": {"mode": "never"}}}
    params = {"processId": None, "capabilities": {}, "initializationOptions": options}
    await server.editor.request("initialize", params)
    assert [] == home.processes()


async def test_an_idle_daemon_ends() -> None:
    """After the time that is set, counted from the last editor's end."""
    with daemon_home(DAEMON_IDLE_EXIT_S="1") as idle:
        log = idle.folder / "log"
        async with launched(MIDFILL, log, **idle.environment) as server:
            await server.editor.initialize()
            daemon = idle.wait_for_one()
        gone, _ = await asyncio.to_thread(psutil.wait_procs, [daemon], 60)
        assert [daemon] == gone
        assert "reason='idle'" in idle.log


async def test_over_tcp_with_a_token() -> None:
    """Where the setting asks for it, nothing but the transport differs."""
    with daemon_home(DAEMON_TRANSPORT="tcp") as tcp:
        async with launched(MIDFILL, tcp.folder / "log", **tcp.environment) as server:
            await opened(server)
            assert 1 == len(await server.editor.complete(0, 4))
            address = str(tcp.status()["address"])
            assert address.startswith("127.0.0.1:")
            reader, writer = await asyncio.open_connection(*address.split(":"))
            hello = b'{"midfill": "0.1.0", "purpose": "status", "token": "", "origin": '
            origin = (
                b'{"folder": "", "config_file": "", "model": "", "environment": {}}}'
            )
            writer.write(hello + origin + b"\n")
            assert b"the token is wrong" in await reader.readline()
            assert b"" == await reader.read()
            writer.close()


def kind_of(message: Json) -> object:
    """Return the kind of a progress notification; None for another message."""
    params = message.get("params")
    value = params.get("value") if isinstance(params, dict) else None
    is_progress = message.get("method") == "$/progress"
    return value.get("kind") if is_progress and isinstance(value, dict) else None


def test_three_hundred_editors_may_connect_in_one_moment(
    home: DaemonHome,
) -> None:
    """A daemon that is busy for a moment turns nobody away meanwhile."""
    assert home.midfill("daemon", "start").returncode == 0
    daemon = home.wait_for_one()
    address = str(home.status()["address"])
    daemon.suspend()
    clients = [socket.socket(socket.AF_UNIX) for _ in range(300)]
    try:
        for client in clients:
            client.settimeout(0)
        assert {client.connect_ex(address) for client in clients} == {0}
    finally:
        daemon.resume()
        for client in clients:
            client.close()
