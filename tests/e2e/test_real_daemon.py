"""Two editors on one daemon with the real engine, which is killed and comes back."""

import asyncio
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import psutil
import pytest
from daemons import DaemonHome, daemon_home
from launched_server import MIDFILL, LaunchedServer, launched
from piped_editor import Json

pytestmark = [pytest.mark.engine, pytest.mark.slow]

READY_S = 300.0
GONE_S = 60.0


async def ready(server: LaunchedServer, after: int = 0) -> None:
    """Wait until the status says that the engine is ready."""
    received = server.editor.received
    async with asyncio.timeout(READY_S):
        while not any(map(is_ready, received[after:])):
            with suppress(TimeoutError):
                await server.editor.wait(
                    lambda m: is_ready(m) and m in received[after:]
                )


def is_ready(message: Json) -> bool:
    """Return whether a message says that the engine is ready."""
    params = message.get("params")
    if message.get("method") != "midfill/status" or not isinstance(params, dict):
        return False
    return bool(params["state"] == "ready")


def engine_cores(home: DaemonHome) -> list[psutil.Process]:
    """Return the engine's processes below the daemon."""
    [daemon] = home.processes()
    children = daemon.children(recursive=True)
    return [each for each in children if "EngineCore" in " ".join(each.cmdline())]


async def test_two_editors_have_one_engine_and_get_it_back(tmp_path: Path) -> None:
    """One engine process for both, which dies with the daemon; the next has another."""
    settings = {"ENGINE_KIND": "vllm", "ENGINE_KV_CACHE_MEMORY_BYTES": str(96 << 20)}
    async with AsyncExitStack() as stack:
        home = stack.enter_context(daemon_home(**settings))
        servers = [
            await stack.enter_async_context(
                launched(MIDFILL, tmp_path / f"log-{number}", **home.environment)
            )
            for number in range(2)
        ]
        capabilities = {"experimental": {"midfill": {"status": True}}}
        for server in servers:
            await server.editor.initialize(capabilities=capabilities)
            server.editor.open("def add(a, b):\n    return ")
            await ready(server)
            assert await server.editor.complete(1, 11)
        status = home.midfill("daemon", "status").stdout
        assert "2 editors" in status
        assert 1 == status.count("memory of engine (")
        cores = engine_cores(home)
        assert 1 == len(cores)
        before = [len(server.editor.received) for server in servers]
        home.processes()[0].kill()
        gone, _ = await asyncio.to_thread(psutil.wait_procs, cores, GONE_S)
        assert cores == gone
        for server, count in zip(servers, before, strict=True):
            await ready(server, count)
            assert await server.editor.complete(1, 11)
        assert 1 == len(engine_cores(home))
