"""How a server with the real engine ends, at every moment, and what it leaves.

How soon single answers come, ``benchmarks/loop_blocks.py`` measures, and when a hang is
noticed, tests/engine/test_hang_watch.py pins with a clock of its own.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from launched_server import MIDFILL, LaunchedServer, launched
from piped_editor import Editor

from lsp_server.engine import engine_folder

pytestmark = pytest.mark.engine

GONE_S = 120.0
READY_S = 500.0
ENVIRONMENT = {
    "MIDFILL_ENGINE_KV_CACHE_MEMORY_BYTES": str(96 << 20),
    # Coverage writes its data where a process has to end at once.
    "COVERAGE_PROCESS_CONFIG": "",
}
WITH_STATUS = {
    "capabilities": {
        "window": {"workDoneProgress": True},
        "experimental": {"midfill": {"status": True}},
    }
}


def marked(server: int) -> Iterator[psutil.Process]:
    """Every process of a server's engines, guards included."""
    mark = f"{engine_folder.OWNER_VARIABLE}={server}-"
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            words = process.cmdline()
        except psutil.Error:
            continue
        owner = environment.get(engine_folder.OWNER_VARIABLE, "")
        if owner.startswith(f"{server}-") or any(w.startswith(mark) for w in words):
            yield process


def folders() -> set[Path]:
    """The folders of engines, and what vLLM would leave beside them."""
    places = [Path("/tmp"), Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")]
    shared = Path("/dev/shm")
    found = {path for place in places for path in place.glob("midfill-????????")}
    found |= {path for place in places for path in place.glob("vllm_dist_*")}
    return found | set(shared.iterdir())


async def nothing_left(server: int, before: set[Path]) -> None:
    """Wait until no process and no file of a server's engine is there."""
    own: set[Path] = set()
    alive: list[psutil.Process] = []
    try:
        async with asyncio.timeout(GONE_S):
            while True:
                alive = [p for p in marked(server) if p.pid != server]
                own = {path for path in folders() - before if _is_of(path, alive)}
                if not alive and not own:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"left behind: {alive} {own}")


def _is_of(path: Path, _alive: list[psutil.Process]) -> bool:
    """Whether a path is there for a server that has ended, not for another test's."""
    try:
        return path.exists() and path.name not in _folders_of_others()
    except OSError:
        return False


def _folders_of_others() -> set[str]:
    """Folders that a guard of another running server watches."""
    names = set()
    for process in psutil.process_iter(["cmdline"]):
        names |= {Path(word).name for word in process.info["cmdline"] or []}
    return names


async def loading(server: LaunchedServer, after_s: float) -> None:
    """Introduce an editor, and let the engine load for so long."""
    await server.editor.initialize(**WITH_STATUS)
    await asyncio.sleep(after_s)


async def shut_down(server: LaunchedServer) -> None:
    """End a server as an editor does; it waits for no engine that is being started."""
    is_ready = "ready" in states(server.editor)
    await server.editor.request("shutdown")
    server.editor.notify("exit", None)
    assert 0 == await server.editor.exit_code()
    assert is_ready == ("ready" in states(server.editor))


@pytest.mark.parametrize("after_s", [0.2, 1.0, 3.0, 6.0, 8.0])
async def test_a_killed_server_leaves_no_engine(tmp_path: Path, after_s: float) -> None:
    """SIGKILL while the engine starts: no process, no socket, no folder remains."""
    before = folders()
    async with launched(MIDFILL, tmp_path / "log", **ENVIRONMENT) as server:
        await loading(server, after_s)
        process_id = server.process.pid
        server.signal(signal.SIGKILL)
        await server.editor.exit_code()
        await nothing_left(process_id, before)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_a_server_ended_when_ready_leaves_no_engine(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A signal when the engine is ready: every process that was below it goes."""
    before = folders()
    async with launched(MIDFILL, tmp_path / "log", **ENVIRONMENT) as server:
        await server.editor.initialize(**WITH_STATUS)
        await ready(server.editor)
        process_id = server.process.pid
        below = server.process.children(recursive=True)
        assert engine_core(server) in below
        server.signal(number)
        await server.editor.exit_code()
        # By their numbers: a mark that the guard does not find would not be found here.
        _, alive = await asyncio.to_thread(psutil.wait_procs, below, GONE_S)
        assert [] == alive
        await nothing_left(process_id, before)


@pytest.mark.parametrize("after_s", [0.0, 0.5, 4.0, 9.0])
async def test_shutdown_while_it_loads(tmp_path: Path, after_s: float) -> None:
    """Answered while vLLM is imported; on exit everything goes."""
    before = folders()
    async with launched(MIDFILL, tmp_path / "log", **ENVIRONMENT) as server:
        await loading(server, after_s)
        process_id = server.process.pid
        await shut_down(server)
        await nothing_left(process_id, before)


async def ready(editor: Editor, restarts: int = 0) -> None:
    """Wait until the engine is ready."""
    async with asyncio.timeout(READY_S):
        while (  # noqa: ASYNC110 - as good as any event here
            "ready",
            restarts,
        ) not in [
            (status["state"], status.get("restarts", 0))
            for status in editor.reported("midfill/status")
        ]:
            await asyncio.sleep(0.1)


def states(editor: Editor) -> list[object]:
    """Return the states of the engine that an editor was sent."""
    return [status["state"] for status in editor.reported("midfill/status")]


async def test_a_whole_life(tmp_path: Path) -> None:
    """Load, listen on no port, hang, say so once, come back, and end while stopped."""
    before = folders()
    async with launched(MIDFILL, tmp_path / "log", **ENVIRONMENT) as server:
        editor = server.editor
        await editor.initialize(**WITH_STATUS)
        await ready(editor)
        statuses = editor.reported("midfill/status")
        percents = [s["percent"] for s in statuses if s["state"] == "loading"]
        assert sorted(percents, key=int) == percents  # type: ignore[arg-type]  # JSON numbers
        assert len(set(percents)) > 5
        processes = [server.process, *server.process.children(recursive=True)]
        assert [] == [
            connection.laddr
            for process in processes
            for connection in process.net_connections("tcp")
        ]
        core = engine_core(server)
        core.send_signal(signal.SIGSTOP)
        editor.open("def mean(values):\n    ")
        async with asyncio.timeout(READY_S):
            while not editor.reported("window/showMessageRequest"):
                # Each request is alone, and its editor gives it up before the next.
                asked = editor.ask_completion(1, 4)
                await asyncio.sleep(0.5)
                editor.notify("$/cancelRequest", {"id": asked})
        (shown,) = editor.reported("window/showMessageRequest")
        assert "hung" in str(shown["message"])
        await ready(editor, restarts=1)
        assert await editor.complete(1, 4)
        assert 1 == len(editor.reported("window/showMessageRequest"))
        engine_core(server).send_signal(signal.SIGSTOP)
        process_id = server.process.pid
        await shut_down(server)
        await nothing_left(process_id, before)


def engine_core(server: LaunchedServer) -> psutil.Process:
    """The process in which vLLM schedules and computes."""
    (core,) = [
        child
        for child in server.process.children(recursive=True)
        if "EngineCore" in child.name() + " ".join(child.cmdline())
    ]
    return core
