"""The server under load: the daemon and the REST API in one process, on one engine.

With ``--front-ends`` editors are served over TCP as well, by processes of their own on
the same engine. Everything is the product's, but for two things: the engine is tapped,
so that what was asked of it can be asked again of `AsyncLLM` itself, and it can have
random weights, whose tokens are read as text (`load_speech`).
Settings come from ``MIDFILL_*``. A line of JSON on stdout says where it listens; it
ends when its stdin does.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import psutil

from benchmarks.bench_server import start_vllm
from benchmarks.load_paced import PacedEngine
from benchmarks.load_speech import Speech
from benchmarks.load_tap import Asked, KvMeter, LoadTap, use_kv_meter
from lsp_server.config import Config, EngineKind
from lsp_server.daemon.endpoint import find_endpoint
from lsp_server.daemon.front_ends.fleet import FrontEnds
from lsp_server.daemon.front_ends.orders import ServeClients
from lsp_server.daemon.listen_rest import rest_api
from lsp_server.daemon.lock import DaemonLock
from lsp_server.daemon.process import Daemon
from lsp_server.daemon.team_sockets import port_of
from lsp_server.engine.base import Engine
from lsp_server.engine.loading import unblocked
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine_values import EngineNews, EngineState, StartStage
from lsp_server.errors import MidfillError
from lsp_server.outcomes import OverloadStep
from lsp_server.rest.serve import reserve
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import EngineStarter, starter_of
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging

__all__ = ["main"]

_LINE_BYTES = 1 << 16


class _Ready:
    """Waits for the engine."""

    def __init__(self) -> None:
        self.news: asyncio.Future[EngineNews] = asyncio.Future()

    def engine_changed(self, news: EngineNews) -> None:
        if news.state in {EngineState.READY, EngineState.FAILED}:
            with contextlib.suppress(asyncio.InvalidStateError):
                self.news.set_result(news)

    def overload_changed(self, step: OverloadStep) -> None:
        """Do nothing."""


async def _serve(config: Config, arguments: argparse.Namespace) -> None:
    """Serve until stdin ends."""
    taps: list[LoadTap] = []
    meter = KvMeter() if arguments.kv_meter else None

    async def start(
        config: Config, model: LoadedModel, progress: StartProgress
    ) -> Engine:
        if arguments.paced:
            with unblocked():  # as the real engine's start leaves the collector
                spoken = Speech(model.tokenizer)
            return PacedEngine(spoken, model.manifest.context_length)
        if meter is not None:
            await asyncio.to_thread(use_kv_meter, meter)
        engine = await start_vllm(
            config,
            model,
            progress,
            arguments.load_format,
            prefix_cache=not arguments.no_prefix_cache,
        )
        speech = Speech(model.tokenizer) if arguments.load_format == "dummy" else None
        tap = LoadTap(engine, model.tokenizer, speech=speech)
        taps.append(tap)
        return tap

    def starter(kind: EngineKind) -> EngineStarter:
        return start if kind is EngineKind.VLLM else starter_of(kind)

    endpoint = find_endpoint()
    lock = DaemonLock.take(endpoint.lock_path)
    if lock is None:
        raise SystemExit("another daemon runs in this runtime folder")
    lock.hold()
    pool = EnginePool(starter, max_engines=1, admission=config.admission)
    lease = pool.acquire(config)
    ready = _Ready()
    lease.host.attach(ready)
    news = await ready.news
    if news.state is EngineState.FAILED:
        raise SystemExit(f"the engine did not start: {news.what}")
    daemon = Daemon(config.daemon, endpoint, pool, on_end=lease.release)
    serving = asyncio.create_task(daemon.serve())
    count = arguments.front_ends
    front_ends = _Team(config, lease.host, count) if count else None
    talk = partial(_talk, taps, meter, lambda: _cpu_s(front_ends))
    async with rest_api(config, pool) as port, _running(front_ends) as team:
        server = await asyncio.start_unix_server(
            talk, arguments.side, limit=_LINE_BYTES
        )
        where = {
            "socket": str(endpoint.socket_path),
            "url": f"http://127.0.0.1:{port}",
            "team": team,
            "engine": asdict(lease.host.engine.info),
        }
        print(json.dumps(where), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        server.close()
    daemon.stop("the load is over")
    await serving


class _Team:
    """Front ends, and where they listen.

    Args:
        config: The settings.
        host: The engine.
        count: How many there are.
    """

    def __init__(self, config: Config, host: EngineHost, count: int) -> None:
        self._socket = reserve("127.0.0.1:0", is_shared=True)
        self._http = reserve("127.0.0.1:0", is_shared=True)
        self.address = f"127.0.0.1:{port_of(self._socket)}"
        order = ServeClients(
            name="",
            count=count,
            layers=server_layers(None),
            address=f"127.0.0.1:{port_of(self._http)}",
            tcp_address=self.address,
            probe_token="",
        )
        self.front_ends = FrontEnds(
            order,
            host,
            stage=lambda: StartStage.PROBE,
            render=None,
            drain_s=config.admission.drain_ms / 1e3,
            environment=dict(os.environ),
        )


@contextlib.asynccontextmanager
async def _running(team: _Team | None) -> AsyncGenerator[str]:
    """Run front ends within the block; yields their address, empty for none."""

    def failed(error: MidfillError) -> None:
        raise SystemExit(str(error))

    if team is None:
        yield ""
        return
    async with team.front_ends.running(failed):
        yield team.address


def _cpu_s(team: _Team | None) -> tuple[float, float]:
    """Return the processor time of this process, and of the front ends, in seconds."""
    times = map(_time_of, team.front_ends.process_ids if team else ())
    return time.process_time(), sum(times)


def _time_of(process_id: int) -> float:
    used = psutil.Process(process_id).cpu_times()
    return float(used.user + used.system)


async def _talk(
    taps: list[LoadTap],
    meter: KvMeter | None,
    cpu_s: Callable[[], tuple[float, float]],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Answer orders, a line each, with a line of JSON each."""
    while line := await reader.readline():
        word, _, path = line.decode().strip().partition(" ")
        answer: object = None
        match word:
            case "begin":
                answer = await taps[-1].begin() if taps else True
            case "asked":
                answer = [asdict(each) for each in taps[-1].asked()] if taps else []
            case "replay":
                found = json.loads(await asyncio.to_thread(Path(path).read_text))
                asked = [Asked(**each) for each in found]
                answer = [asdict(each) for each in await taps[-1].replay(asked)]
            case "cpu":
                answer = cpu_s()
            case "kv":
                answer = meter.take() if meter else {}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
    writer.close()


def main() -> int:
    """Serve, and return the exit status."""
    parser = argparse.ArgumentParser(description="The server under load.")
    parser.add_argument("--side", type=Path, required=True)
    parser.add_argument("--load-format", default="safetensors")
    parser.add_argument("--no-prefix-cache", action="store_true")
    parser.add_argument("--kv-meter", action="store_true")
    parser.add_argument("--paced", action="store_true")
    parser.add_argument("--front-ends", type=int, default=0)
    arguments = parser.parse_args()
    config = resolve(server_layers(None)).config
    configure_logging(config.log.level, sys.stderr)
    asyncio.run(_serve(config, arguments))
    sys.stdout.flush()
    # vLLM's threads would hold the interpreter's end up.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
