"""The server that a load is put on, and the processes of the typists."""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load_clients import Record
from benchmarks.random_model import SHAPES
from lsp_server.config import SHIPPED_MODEL
from lsp_server.daemon.dial import ask, connect
from lsp_server.daemon.endpoint import find_endpoint
from lsp_server.daemon.hello import Hello, Purpose
from lsp_server.hardware import read_cpu

__all__ = [
    "Target",
    "add_load_arguments",
    "load_server",
    "run_typists",
    "running_server",
    "settings_of",
]

_LINE_BYTES = 1 << 28
_START_MARGIN_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server to load.

    Attributes:
        socket: Of its daemon.
        url: Of its REST API.
        team: Of its front ends, as ``HOST:PORT``; empty for none.
        key: For the REST API; empty for none.
        facts: What it said of itself.
        side: The channel for the engine; None on a server that was not started here.
    """

    socket: str
    url: str
    team: str = ""
    key: str = ""
    facts: Mapping[str, object]
    side: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def order(self, word: str) -> Any:  # noqa: ANN401 - JSON, read by its caller
        """Ask the engine's side channel; None where there is none."""
        if self.side is None:
            return None
        reader, writer = self.side
        writer.write(word.encode() + b"\n")
        return json.loads(await reader.readline())

    async def replay(self, asked: Path) -> list[Record]:
        """Ask `AsyncLLM` for what a file says; as `LoadTap.replay` does."""
        return [Record(**each) for each in await self.order(f"replay {asked}")]


@contextlib.asynccontextmanager
async def load_server(
    settings: Mapping[str, str],
    *,
    load_format: str,
    log: Path,
    options: Sequence[str] = (),
) -> AsyncGenerator[Target]:
    """Run a server within the block, ready when it begins.

    Args:
        settings: The environment's ``MIDFILL_*``.
        load_format: ``safetensors`` for the model's weights, ``dummy`` for random ones.
        log: The server's log goes to this file.
        options: Further ones of `load_server`.
    """
    with tempfile.TemporaryDirectory(prefix="mf-") as folder, log.open("wb") as stderr:
        side_path = Path(folder, "side")
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.load_server"),
            *("--side", str(side_path), "--load-format", load_format, *options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            # Without the user's own daemon, settings and keys.
            env=os.environ
            | settings
            | {"XDG_RUNTIME_DIR": folder, "XDG_CONFIG_HOME": folder},
        )
        try:
            line = await _stdout(server).readline()
            if not line:
                raise SystemExit(f"the server did not start; its log: {log}")
            facts = json.loads(line)
            side = await asyncio.open_unix_connection(side_path, limit=_LINE_BYTES)
            yield Target(
                socket=facts["socket"],
                url=facts["url"],
                team=facts["team"],
                facts=facts,
                side=side,
            )
            side[1].close()
        finally:
            if server.stdin is not None:
                server.stdin.close()
            try:
                async with asyncio.timeout(30):
                    await server.wait()
            except TimeoutError:
                server.kill()
                await server.wait()


def running_server(url: str) -> Target:
    """Return the daemon that runs already.

    Args:
        url: Of its REST API; empty if that is not loaded.
    """
    endpoint = find_endpoint()
    dialled = connect(endpoint)
    if dialled is None:
        raise SystemExit("no daemon runs; start it with `midfill daemon start`")
    answer = ask(dialled, lambda token: Hello(purpose=Purpose.STATUS, token=token))
    return Target(
        socket=str(endpoint.socket_path),
        url=url,
        key=os.environ.get("LOAD_API_KEY", ""),
        facts={"engine": answer.values["engines"]},
    )


async def run_typists(
    target: Target,
    arguments: argparse.Namespace,
    route: str,
    typists: int,
    seconds: float,
) -> list[Record]:
    """Let typists work on a route, spread over processes; return all records."""
    processes = min(typists, arguments.processes)
    order = {
        "route": route,
        "socket": target.team if route == "team" else target.socket,
        "url": target.url,
        "key": target.key,
        "seed": arguments.seed,
        "interval_s": arguments.interval_ms / 1e3,
        "seconds": seconds,
        "max_tokens": arguments.output_tokens,
        "prompt_tokens": arguments.prompt_tokens,
    }
    workers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.load_worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
            # On a server that was not started here, its own settings hold.
            env=os.environ | (settings_of(arguments) if target.side else {}),
        )
        for _ in range(processes)
    ]
    for number, worker in enumerate(workers):
        numbers = range(number, typists, processes)
        _write(worker, json.dumps({**order, "numbers": [*numbers]}))
    for worker in workers:
        if await _stdout(worker).readline() != b"ready\n":
            raise SystemExit("a process of typists could not connect")
    start_s = time.perf_counter() + _START_MARGIN_S
    for worker in workers:
        _write(worker, str(start_s))
    found = [json.loads(await _stdout(worker).readline()) for worker in workers]
    for worker in workers:
        await worker.wait()
    return [Record(**each) for records in found for each in records]


def add_load_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what describes a load and the server under it."""
    add = parser.add_argument
    add("--seconds", type=float, default=20, help="length of each load")
    add("--interval-ms", type=float, default=500, help="mean time between requests")
    add("--processes", type=int, default=max(1, read_cpu().usable_processors // 2))
    add("--model", default=SHIPPED_MODEL, help="a name or a folder")
    add("--random-weights", choices=sorted(SHAPES), metavar="SHAPE")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto")
    add("--max-num-seqs", type=int, default=16, help="decoded side by side")
    add("--prompt-tokens", type=int, default=1024)
    add("--output-tokens", type=int, default=32)
    add("--set", nargs="+", default=[], metavar="KEY=VALUE", help="other settings")
    add("--seed", type=int, default=0)
    add("--log", type=Path, default=Path("load-server.log"), help="the server's log")


def settings_of(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the settings of server and editors, as environment variables."""
    pairs = {
        "model.path": arguments.model,
        "prompt.max_prompt_tokens": str(arguments.prompt_tokens),
        "completion.max_line_tokens": str(arguments.output_tokens),
        # Raw, the engine cannot be asked to heal.
        "prompt.healing": "false",
        # While vLLM is asked past the server, the server would take it for a hung one.
        "engine.canary_interval_s": "0",
        "rest.listen": "127.0.0.1:0",
        "rest.aliases": "*",
        "access.log": "",
        "log.level": "warning",
        "engine.max_num_seqs": str(arguments.max_num_seqs),
        "engine.device": arguments.device,
        **dict(pair.split("=", 1) for pair in arguments.set),
    }
    return {
        f"MIDFILL_{name.replace('.', '_').upper()}": value
        for name, value in pairs.items()
    }


def _stdout(process: Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise RuntimeError("the process has no stdout")
    return process.stdout


def _write(process: Process, line: str) -> None:
    if process.stdin is not None:
        process.stdin.write(line.encode() + b"\n")
