"""How soon work ends that nobody waits for any more.

Run it with ``python -m benchmarks.disconnect``; ``--help`` lists the options.

Clients of the REST API (whole answers and streams) and an editor on a socket ask for
long generations and are gone at a random moment. Measured is the time from there to the
engine's abort, in one process and by one clock. The engine is scripted, a token each
20 ms: what vLLM does after an abort is not in it. Then servers with an engine of their
own lose their editor, and what counts is the time until the process is gone. Promised
are 250 ms for a generation (docs/team-server.md), 2 s for a process (docs/protocol.md).
"""

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, cast

from benchmarks.figures import circumstances, percentile, table, write_result
from lsp_server.access.access_log import AccessLog
from lsp_server.access.gate import Gate
from lsp_server.access.key_ring import KeyRing
from lsp_server.access.limiter import Limiter
from lsp_server.config import Config, EngineKind
from lsp_server.engine.base import Engine
from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.metrics import NoMetrics
from lsp_server.protocol.connection import EditorConnection
from lsp_server.protocol.framing import encode_frame
from lsp_server.protocol.stream_channel import StreamChannel
from lsp_server.rest.serve import serve_rest
from lsp_server.rest.services import RestServices
from lsp_server.service.configurator import LayeredConfigurator
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import EngineStarter, starter_of
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"
_GENERATION_MS, _PROCESS_MS = 250.0, 2000.0
_SETTINGS = {
    "MIDFILL_ENGINE_KIND": "scripted",
    "MIDFILL_SCRIPTED_TEXT": "x + " * 300,
    "MIDFILL_SCRIPTED_TOKEN_DELAY_MS": "20",
    "MIDFILL_COMPLETION_CACHE": "false",
    "MIDFILL_COMPLETION_CANDIDATES": "1",
    "MIDFILL_DAEMON_MODE": "never",
    "MIDFILL_TELEMETRY_STORE": "false",
    "MIDFILL_CONTEXT_INDEX": "false",
}
_LONGEST_WAIT_S = 0.2
_TOKENS = 500
_LOOK_S = 0.0005

Client = Callable[[], Awaitable[asyncio.StreamWriter]]
"""Asks for a generation, and returns the connection whose end ends it."""


class Watched:
    """Starts scripted engines, and keeps the last one to look at."""

    engine: ScriptedEngine

    def starter(self, kind: EngineKind) -> EngineStarter:
        """Return what starts an engine that is kept here."""

        async def start(
            config: Config, model: LoadedModel, progress: StartProgress
        ) -> Engine:
            engine = await starter_of(kind)(config, model, progress)
            self.engine = cast("ScriptedEngine", engine)
            return engine

        return start

    async def abort_ms(self, client: Client, wait_s: float) -> float:
        """Return how long after a client's end its generation was aborted."""
        asked, aborted = len(self.engine.requests), len(self.engine.aborted)
        writer = await client()
        while len(self.engine.requests) == asked:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(_LOOK_S)
        await asyncio.sleep(wait_s)
        began = time.perf_counter()
        writer.transport.abort()
        while len(self.engine.aborted) == aborted:  # noqa: ASYNC110 - as above
            await asyncio.sleep(_LOOK_S)
        return (time.perf_counter() - began) * 1e3


@asynccontextmanager
async def _rest(watched: Watched) -> AsyncGenerator[int]:
    """Serve the REST API within the block; yields its port."""
    config = resolve(server_layers(None)).config
    host = EngineHost(config, watched.starter(config.engine.kind))
    log = AccessLog("")
    services = RestServices(
        hosts=lambda: (host,),
        gate=Gate(KeyRing.load(None, {}), is_local=True),
        limiter=Limiter(),
        access_log=log,
        metrics=NoMetrics(),
        config=config.rest,
    )
    host.begin()
    try:
        while not host.ready:  # noqa: ASYNC110 - nothing else happens here
            await asyncio.sleep(0.05)
        async with serve_rest(services, "127.0.0.1:0") as port:
            yield port
    finally:
        await host.close()
        log.close()


def _rest_client(port: int, *, stream: bool) -> Client:
    async def ask() -> asyncio.StreamWriter:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        body = {"prompt": "a", "max_tokens": _TOKENS, "stream": stream}
        data = json.dumps(body).encode()
        writer.write(
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
            b"application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)
        )
        return writer

    return ask


@asynccontextmanager
async def _editors(watched: Watched) -> AsyncGenerator[Client]:
    """Serve editors within the block; yields one."""
    pool = EnginePool(watched.starter, max_engines=1)
    client = _editor(pool)
    # It stays, so that the engine does.
    first = await client()
    while not (pool.hosts and pool.hosts[0].ready):  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.05)
    yield client
    first.transport.abort()
    await pool.close()


def _editor(pool: EnginePool) -> Client:
    async def ask() -> asyncio.StreamWriter:
        ours, theirs = socket.socketpair()
        connection = EditorConnection(
            LayeredConfigurator(
                server_layers(None), pool=pool, user="a", cache_salt="a"
            ),
            StreamChannel(*await asyncio.open_unix_connection(sock=theirs)),
            name="editor",
        )
        _, writer = await asyncio.open_unix_connection(sock=ours)
        task = asyncio.create_task(connection.serve(lambda _code: None))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        for message in _session():
            whole = {"jsonrpc": "2.0", **message}
            writer.write(encode_frame(json.dumps(whole).encode()))
        return writer

    return ask


def _session() -> list[dict[str, object]]:
    """Return the messages of an editor that opens a document and asks."""
    uri = "file:///nowhere/a.py"
    item = {"uri": uri, "languageId": "python", "version": 1, "text": "def f():\n    "}
    asked = {
        "textDocument": {"uri": uri},
        "position": {"line": 1, "character": 4},
        "context": {"triggerKind": 1},
    }
    first: dict[str, object] = {
        "capabilities": {"textDocument": {"inlineCompletion": {}}}
    }
    return [
        {"id": 1, "method": "initialize", "params": first},
        {"method": "initialized", "params": {}},
        {"method": "textDocument/didOpen", "params": {"textDocument": item}},
        {"id": 2, "method": "textDocument/inlineCompletion", "params": asked},
    ]


def _process_end_ms(folder: Path) -> float:
    """Return how long a server lives whose editor is gone."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lsp_server", "serve", "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    with process:
        to_server = cast("BinaryIO", process.stdin)
        from_server = cast("BinaryIO", process.stdout)
        message = {"jsonrpc": "2.0", **_session()[0]}
        to_server.write(encode_frame(json.dumps(message).encode()))
        to_server.flush()
        from_server.readline()
        began = time.perf_counter()
        to_server.close()
        process.wait(60)
        return (time.perf_counter() - began) * 1e3


async def _measure(count: int, seed: int) -> dict[str, list[float]]:
    chance = random.Random(seed)  # noqa: S311 - an experiment's seed
    watched = Watched()

    async def times_ms(client: Client) -> list[float]:
        return [
            await watched.abort_ms(client, chance.uniform(0, _LONGEST_WAIT_S))
            for _ in range(count)
        ]

    found: dict[str, list[float]] = {}
    async with _rest(watched) as port:
        for name, stream in (("REST, whole", False), ("REST, streamed", True)):
            found[name] = await times_ms(_rest_client(port, stream=stream))
    async with _editors(watched) as editor:
        found["editor on a socket"] = await times_ms(editor)
    return found


def main() -> int:
    """Measure, print a table, and return 1 if a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, metavar="N")
    parser.add_argument("--servers", type=int, default=10, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--result", type=Path, default=_RESULTS / "disconnect.json")
    options = parser.parse_args()
    os.environ.update(_SETTINGS)
    times = asyncio.run(_measure(options.count, options.seed))
    with tempfile.TemporaryDirectory() as folder:
        times["a server's process"] = [
            _process_end_ms(Path(folder)) for _ in range(options.servers)
        ]
    figures = {
        name: {
            "count": len(values),
            **{f"p{at}_ms": round(percentile(values, at), 2) for at in (50, 95, 100)},
        }
        for name, values in times.items()
    }
    head = ["who is gone", "times", "p50 ms", "p95 ms", "longest ms"]
    print(table(head, [[n, *map(str, f.values())] for n, f in figures.items()]))
    write_result(options.result, {**circumstances(), "figures": figures})
    return int(
        any(
            max(values) > (_PROCESS_MS if "process" in name else _GENERATION_MS)
            for name, values in times.items()
        )
    )


if __name__ == "__main__":
    sys.exit(main())
