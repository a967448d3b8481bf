"""The server under load: the daemon and the REST API in one process, on one engine.

Everything is the product's, but for two things: the engine is tapped, so that what was
asked of it can be asked again of `AsyncLLM` itself, and it can have random weights.
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
from collections.abc import AsyncGenerator
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmarks.bench_server import start_vllm
from benchmarks.engine_tap import EngineTap, RawOrder, Seen
from benchmarks.load_clients import Record
from lsp_server.config import Config, EngineKind
from lsp_server.daemon.endpoint import find_endpoint
from lsp_server.daemon.listen_rest import rest_api
from lsp_server.daemon.lock import DaemonLock
from lsp_server.daemon.process import Daemon
from lsp_server.engine.base import Engine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.outcomes import OverloadStep
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import EngineStarter, starter_of
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging
from lsp_server.values import EngineNews, EngineState, GenerationRequest, TokenDelta

__all__ = ["main"]


class LoadTap(EngineTap):
    """Remembers what was asked of the engine and when, and asks it of vLLM again."""

    cancelled_s: dict[str, float]

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Generate, and note when it was cancelled."""
        try:
            async with contextlib.aclosing(super().generate(request)) as deltas:
                async for delta in deltas:
                    yield delta
        except asyncio.CancelledError:
            self.cancelled_s[request.request_id] = time.perf_counter()
            raise

    async def begin(self) -> bool:
        """Forget all prompts and requests; return whether nothing was running."""
        self.cancelled_s = {}
        return await self.forget()

    async def replay(self) -> list[Record]:
        """Ask `AsyncLLM` for the same tokens at the same moments, and cancel as then.

        The prefix cache is emptied first, as it was before the load.
        """
        noted, cancelled_s = [*self.seen.values()], self.cancelled_s
        if not noted or not await self.begin():
            return []
        begin_s = time.perf_counter() + 0.1
        later_s = begin_s - min(seen.asked_s for seen in noted)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    self._again(seen, later_s, cancelled_s.get(seen.request_id))
                )
                for seen in noted
            ]
        return [task.result() for task in tasks]

    async def _again(
        self, seen: Seen, later_s: float, cancelled_s: float | None
    ) -> Record:
        left_early = not seen.is_finished and cancelled_s is None
        order = RawOrder(
            token_ids=list(seen.token_ids),
            max_tokens=seen.max_tokens,
            stop_token_ids=list(seen.stop_token_ids),
            enough_tokens=seen.output_tokens if left_early else 0,
        )
        await asyncio.sleep(seen.asked_s + later_s - time.perf_counter())
        start_s = time.perf_counter()
        limit_s = None if cancelled_s is None else cancelled_s + later_s - start_s
        outcome, output_tokens, cached_tokens = "superseded", 0, 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                [times] = await self.generate_raw([order])
                outcome = "answered" if times.output_tokens else "empty"
                output_tokens = times.output_tokens
                cached_tokens = times.cached_tokens
        return Record(
            typist=0,
            start_s=start_s,
            total_ms=(time.perf_counter() - start_s) * 1e3,
            outcome=outcome,
            prompt_tokens=len(seen.token_ids),
            cached_tokens=cached_tokens,
            output_tokens=output_tokens,
        )


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


async def _serve(config: Config, load_format: str, side: Path) -> None:
    """Serve until stdin ends."""
    taps: list[LoadTap] = []

    async def start(
        config: Config, model: LoadedModel, progress: StartProgress
    ) -> Engine:
        engine = await start_vllm(config, model, progress, load_format)
        tap = LoadTap(engine, model.tokenizer)
        tap.cancelled_s = {}
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
    talk = partial(_talk, taps, lease.host)
    async with rest_api(config, pool) as port:
        server = await asyncio.start_unix_server(talk, side)
        where = {
            "socket": str(endpoint.socket_path),
            "url": f"http://127.0.0.1:{port}",
            "engine": asdict(lease.host.engine.info),
        }
        print(json.dumps(where), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        server.close()
    daemon.stop("the load is over")
    await serving


async def _talk(
    taps: list[LoadTap],
    host: EngineHost,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Answer orders, a word a line, with a line of JSON each."""
    while line := await reader.readline():
        answer: object = None
        match line.strip():
            case b"begin":
                answer = await taps[-1].begin() if taps else False
            case b"replay":
                records = await taps[-1].replay() if taps else []
                answer = [asdict(record) for record in records]
            case b"step":
                answer = host.engine.step.name
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
    writer.close()


def main() -> int:
    """Serve, and return the exit status."""
    parser = argparse.ArgumentParser(description="The server under load.")
    parser.add_argument("--side", type=Path, required=True)
    parser.add_argument("--load-format", default="safetensors")
    arguments = parser.parse_args()
    config = resolve(server_layers(None)).config
    configure_logging(config.log.level, sys.stderr)
    asyncio.run(_serve(config, arguments.load_format, arguments.side))
    sys.stdout.flush()
    # vLLM's threads would hold the interpreter's end up.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
