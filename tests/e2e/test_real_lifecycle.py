"""How a server with the real engine ends, at every moment, and what it leaves.

How soon single answers come, ``benchmarks/loop_blocks.py`` measures, and when a hang is
noticed, tests/engine/test_hang_watch.py pins with a clock of its own.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
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
#: While Python starts, vLLM is imported, its process starts, and the model is loaded.
MOMENTS_S = [
    *(0.2, 3.0, 8.0),
    *(pytest.param(s, marks=pytest.mark.slow) for s in (1.0, 6.0)),
]
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


class Watched:
    """A server, its editor, and what its engine has to take along.

    Other servers may run beside it: what is theirs is not looked at.
    """

    def __init__(self, server: LaunchedServer, temporary: Path) -> None:
        self.server, self.editor = server, server.editor
        self._temporary = temporary
        self._id = server.process.pid
        self._others = engine_folders()
        self._shared: set[Path] = set()

    def note(self) -> None:
        """Note which files the processes share by now."""
        with suppress(psutil.NoSuchProcess):
            for each in self.server.process.children(recursive=True):
                self._shared |= shared_files(each)

    def left(self) -> list[object]:
        """Return which processes and files of the engine are there."""
        alive = [each for each in marked(self._id) if each.pid != self._id]
        self._shared |= {path for each in alive for path in shared_files(each)}
        return [
            *alive,
            *(path for path in self._shared if path.exists()),
            *self._temporary.glob("vllm_dist_*"),
            *(engine_folders() - self._others - watched_folders()),
        ]


@asynccontextmanager
async def watched(folder: Path) -> AsyncGenerator[Watched]:
    """Start a server; in the end nothing of its engine may be there."""
    temporary = folder / "tmp"
    temporary.mkdir()
    settings = ENVIRONMENT | {"TMPDIR": str(temporary)}
    async with launched(MIDFILL, folder / "log", **settings) as server:
        made = Watched(server, temporary)
        yield made
        try:
            async with asyncio.timeout(GONE_S):
                while made.left():  # noqa: ASYNC110 - processes tell nobody of their end
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"left behind: {made.left()}")


def engine_folders() -> set[Path]:
    """The folders of every server's engine."""
    places = [Path("/tmp"), Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")]
    return {path for place in places for path in place.glob("midfill-????????")}


def watched_folders() -> set[Path]:
    """The folders that a guard watches: another server's, once ours has none."""
    words: set[str] = set()
    for process in psutil.process_iter(["cmdline"]):
        words |= {*(process.info["cmdline"] or [])}
    return {Path(word) for word in words}


def shared_files(process: psutil.Process) -> set[Path]:
    """The files of shared memory that a process has open, semaphores included."""
    try:
        maps = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
    except OSError:
        return set()
    mapped = (line.partition("/dev/shm/")[2] for line in maps.splitlines())
    return {Path("/dev/shm", n) for n in mapped if n and not n.endswith(" (deleted)")}


async def loading(server: LaunchedServer, after_s: float) -> None:
    """Introduce an editor, and let the engine load for so long."""
    await server.editor.initialize(**WITH_STATUS)
    await asyncio.sleep(after_s)


async def shut_down(server: LaunchedServer) -> None:
    """End a server as an editor does."""
    await server.editor.request("shutdown")
    server.editor.notify("exit", None)
    assert 0 == await server.editor.exit_code()


@pytest.mark.parametrize("after_s", MOMENTS_S)
async def test_a_killed_server_leaves_no_engine(tmp_path: Path, after_s: float) -> None:
    """SIGKILL while the engine starts: no process, no socket, no folder remains."""
    async with watched(tmp_path) as each:
        await loading(each.server, after_s)
        each.note()
        each.server.signal(signal.SIGKILL)
        await each.editor.exit_code()


@pytest.mark.parametrize(
    "number",
    [
        *(signal.SIGKILL, signal.SIGTERM),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
async def test_a_server_ended_when_ready_leaves_no_engine(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A signal when the engine is ready: every process that was below it goes."""
    async with watched(tmp_path) as each:
        await each.editor.initialize(**WITH_STATUS)
        await ready(each.editor)
        each.note()
        below = each.server.process.children(recursive=True)
        assert engine_core(each.server) in below
        each.server.signal(number)
        await each.editor.exit_code()
        # By their numbers: a mark that the guard does not find would not be found here.
        _, alive = await asyncio.to_thread(psutil.wait_procs, below, GONE_S)
        assert [] == alive


@pytest.mark.parametrize(
    "after_s",
    [0.0, 4.0, *(pytest.param(s, marks=pytest.mark.slow) for s in (0.5, 9.0))],
)
async def test_shutdown_while_it_loads(tmp_path: Path, after_s: float) -> None:
    """Answered while vLLM is imported; on exit everything goes."""
    async with watched(tmp_path) as each:
        await loading(each.server, after_s)
        each.note()
        await shut_down(each.server)
        # No start is waited for; after nine seconds one may be over.
        assert after_s > 4 or "ready" not in states(each.editor)


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
    async with watched(tmp_path) as each:
        server, editor = each.server, each.editor
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
        each.note()
        await shut_down(server)


def engine_core(server: LaunchedServer) -> psutil.Process:
    """The process in which vLLM schedules and computes."""
    (core,) = [
        child
        for child in server.process.children(recursive=True)
        if "EngineCore" in child.name() + " ".join(child.cmdline())
    ]
    return core
