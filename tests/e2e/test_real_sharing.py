"""Two editors in one process share one real engine, and survive what befalls it."""

import asyncio
import contextlib
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from lsp_server.engine.launch import child_processes
from lsp_server.engine_values import EngineState
from lsp_server.protocol.connection import EditorConnection
from lsp_server.protocol.extensions import TIMINGS_METHOD
from lsp_server.protocol.stream_channel import StreamChannel
from lsp_server.service.configurator import LayeredConfigurator
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import starter_of

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from news_listener import Listener
from remote_editor import SocketEditor

UNCACHED = {"candidates": 3, "cache": False}
START_TIMEOUT_S = 300
# A place with several answers, which are as long, so that none is given up.
TEXT = "".join(f"NUMBER_{n} = {n * n}\n" for n in range(20)) + "for \n    print(1)\n"
LINE = 20

pytestmark = [
    pytest.mark.engine,
    # The engine imports vLLM, which warns of PyTorch's plans.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


async def connect(pool: EnginePool, name: str, options: object) -> SocketEditor:
    """Connect an editor to the pool's engine."""
    ours, theirs = socket.socketpair()
    connection = EditorConnection(
        LayeredConfigurator([], pool=pool, user=name, cache_salt=name),
        StreamChannel(*await asyncio.open_unix_connection(sock=theirs)),
        name=name,
    )
    editor = SocketEditor(*await asyncio.open_unix_connection(sock=ours))
    editor.server = asyncio.create_task(connection.serve(editor.ends.append))
    await editor.initialize(initializationOptions=options)
    return editor


def engine_cores() -> list[psutil.Process]:
    """Find vLLM's engine processes below this one, those that live."""
    found = []
    for process in child_processes():
        # One that has ended may not have been waited for yet.
        with contextlib.suppress(psutil.Error):
            if "EngineCore" in process.name() + str(process.cmdline()):
                found.append(process)
    return found


async def test_two_editors_share_one_engine() -> None:
    """One engine process, own settings, own cache; one leaves, and the other goes on.

    Then the engine is stopped while nobody asks: that is noticed and mended.
    """
    pool, listener = EnginePool(starter_of, max_engines=1), Listener()
    first = await connect(pool, "first", {"completion": {"candidates": 1}})
    second = await connect(pool, "second", {"completion": UNCACHED})
    async with asyncio.timeout(60):
        while not pool.hosts:  # noqa: ASYNC110 - `initialized` is handled by and by
            await asyncio.sleep(0.01)
    (host,) = pool.hosts
    host.attach(listener)
    await listener.until(EngineState.READY, timeout_s=START_TIMEOUT_S)
    assert 2 == pool.leases_of(host)
    assert 1 == len(engine_cores())
    for editor in (first, second):
        editor.open(TEXT)
    answers = [await editor.complete(LINE, 4) for editor in (first, second, second)]
    assert 1 == len(answers[0]) < len(answers[1]) <= 3, answers
    texts = [[item["insertText"] for item in answer] for answer in answers]
    assert texts[0][0] in texts[1]
    (of_first,), of_second = (
        [reported["cachedTokens"] for reported in editor.reported(TIMINGS_METHOD)]
        for editor in (first, second)
    )
    assert [0, 0] == [of_first, of_second[0]]
    assert isinstance(of_second[1], int)
    assert of_second[1] > 0

    news_before = len(first.received)
    first.hang_up()
    await first.exit_code()
    assert 1 == pool.leases_of(host)
    assert await second.complete(LINE, 4)

    (core,) = engine_cores()
    core.send_signal(signal.SIGSTOP)
    # How soon, tests/engine/test_hang_watch.py pins with a clock of its own.
    await listener.until(EngineState.RESTARTING, timeout_s=START_TIMEOUT_S)
    await listener.until(EngineState.READY, timeout_s=START_TIMEOUT_S)
    assert await second.complete(LINE, 4)
    assert news_before == len(first.received)
    assert not core.is_running()

    second.hang_up()
    await second.exit_code()
    await pool.close()
    assert [] == engine_cores()
