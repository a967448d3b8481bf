"""Sheds three times the load that the real engine can take, over the REST API.

Run it with ``python -m benchmarks.overload``; ``--help`` lists the options.

A server with vLLM and the shipped model runs in a process of its own, with an API key
for each user. First as many requests as the engine computes side by side are kept in
flight: that is capacity, and its rate is measured. Then requests come at three times
that rate, at random moments (Poisson) and whether or not others were answered. What
must hold: rejections are quick, and what is accepted takes little longer than at
capacity. A rejection's time is measured twice, by the client and, from the arrival of
the request at the application to the end of its response, by the server's access log.
Meanwhile the client asks a process that only sends a fixed answer: what that takes is
the client's own share, and that of a machine whose cores compute something else.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import cast

from benchmarks.figures import circumstances, percentile, table, write_result
from benchmarks.overload_client import Client, serve_bare
from lsp_server.access.access_log import AccessLog
from lsp_server.access.gate import Gate
from lsp_server.access.key_ring import KEYS_VARIABLE, KeyRing
from lsp_server.access.keys import StoredKey, digest_of, new_key_id, new_secret
from lsp_server.access.limiter import Limiter
from lsp_server.metrics import NoMetrics
from lsp_server.rest.serve import serve_rest
from lsp_server.rest.services import RestServices
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_start import starter_of
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"
_MOST_REJECTION_MS = 5.0
_WAITED_MS = 100.0
_MOST_SLOWDOWN = 1.5
_OK = 200
_REFUSALS = (429, 503)
_START_TIMEOUT_S = 300.0


def main() -> int:
    """Measure, print a table, and return 1 if a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--serve-bare", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--users", type=int, default=24, metavar="N")
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S")
    parser.add_argument("--factor", type=float, default=3.0, metavar="X")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument(
        "--result", type=Path, default=_RESULTS / "overload_cpu.json", metavar="FILE"
    )
    options = parser.parse_args()
    if options.serve:
        asyncio.run(_serve(options.serve))
        return 0
    if options.serve_bare:
        asyncio.run(serve_bare())
        return 0
    return asyncio.run(_measure(options))


async def _serve(access_log: Path) -> None:
    """Serve until stdin ends; write the port and the engine's width when ready."""
    config = resolve(server_layers(None)).config
    configure_logging(config.log.level, sys.stderr)
    host = EngineHost(config, starter_of(config.engine.kind))
    log = AccessLog(str(access_log))
    services = RestServices(
        hosts=lambda: (host,),
        gate=Gate(KeyRing.load(None, os.environ), is_local=True),
        limiter=Limiter(),
        access_log=log,
        metrics=NoMetrics(),
        config=config.rest,
    )
    host.begin()
    try:
        while not host.ready:  # noqa: ASYNC110 - nothing else happens in this process
            await asyncio.sleep(0.1)
        async with serve_rest(services, "127.0.0.1:0") as port:
            width = host.engine.running_limit
            sys.stdout.write(json.dumps({"port": port, "width": width}) + "\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)
    finally:
        await host.close()
        log.close()


@contextlib.asynccontextmanager
async def _server(
    *arguments: str, keys: Sequence[StoredKey] = ()
) -> AsyncGenerator[tuple[int, int]]:
    """Run a server within the block; yields its port and how much it does at once."""
    lines = "\n".join(key.line for key in keys)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.overload", *arguments),
        env=os.environ | {KEYS_VARIABLE: lines, "MIDFILL_LOG_LEVEL": "warning"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    to_server = cast("asyncio.StreamWriter", process.stdin)
    from_server = cast("asyncio.StreamReader", process.stdout)
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            ready = json.loads(await from_server.readline())
        yield ready["port"], ready["width"]
    finally:
        to_server.close()
        await process.wait()


async def _measure(options: argparse.Namespace) -> int:
    """Measure, print a table, write the result, and return 1 if a promise is broken."""
    secrets = [new_secret() for _ in range(options.users)]
    keys = [
        StoredKey(id=new_key_id(), name=f"user {number}", sha256=digest_of(each).hex())
        for number, each in enumerate(secrets)
    ]
    with tempfile.TemporaryDirectory() as folder:
        access_log = Path(folder, "access.jsonl")
        async with (
            _server("--serve", str(access_log), keys=keys) as (port, width),
            _server("--serve-bare") as (bare_port, _),
        ):
            client = Client(port, secrets, options.seed)
            bare = Client(bare_port, secrets, options.seed)
            # Whoever comes for the first time has nothing in the prefix cache.
            await client.keep_busy(min(width, options.users), options.seconds / 3)
            rate = await client.keep_busy(width, options.seconds)
            at_capacity = [each.took_ms for each in client.samples]
            # The access log is written by a thread, a little later.
            await asyncio.sleep(1)
            before_bytes = len(_read(access_log))
            chance = random.Random(options.seed)  # noqa: S311 - an experiment's seed
            async with asyncio.TaskGroup() as group:
                group.create_task(bare.flood(rate, options.seconds, chance))
                load = client.flood(options.factor * rate, options.seconds, chance)
                group.create_task(load)
        statuses = Counter(each.status for each in client.samples)
        in_server = _rejection_times_ms(access_log, before_bytes)
    accepted = [each.took_ms for each in client.samples if each.status == _OK]
    refused = [each.took_ms for each in client.samples if each.status != _OK]
    rows = {
        f"at capacity ({width} in flight)": at_capacity,
        f"accepted at {options.factor:g} times that": accepted,
        "refused, by the client": refused,
        "refused, in the server": in_server,
        "of them at once": [ms for ms in in_server if ms < _WAITED_MS],
        "of them after waiting in vain": [ms for ms in in_server if ms >= _WAITED_MS],
        "a fixed answer meanwhile": [each.took_ms for each in bare.samples],
    }
    figures = {
        name: {
            "count": len(times),
            **{f"p{at}_ms": round(percentile(times, at), 2) for at in (50, 95, 99)},
        }
        for name, times in rows.items()
        if times
    }
    head = ["", "requests", "p50 ms", "p95 ms", "p99 ms"]
    print(table(head, [[n, *map(str, f.values())] for n, f in figures.items()]))
    print(f"{rate:.1f} requests/s at capacity; answers: {dict(statuses)}")
    slowdown = percentile(accepted, 99) / percentile(at_capacity, 99)
    rejection_ms = percentile(in_server, 99) if in_server else 0.0
    print(f"p99 of accepted requests: {slowdown:.2f} times that at capacity")
    result = {
        "what": "overload over the REST API with the real engine",
        "circumstances": circumstances(),
        "requests_per_s_at_capacity": round(rate, 2),
        "factor": options.factor,
        "users": options.users,
        "statuses": {str(status): count for status, count in statuses.items()},
        "figures": figures,
        "slowdown_of_accepted_p99": round(slowdown, 3),
    }
    write_result(options.result, result)
    sheds_only = set(statuses) <= {_OK, *_REFUSALS}
    return int(
        not sheds_only or slowdown > _MOST_SLOWDOWN or rejection_ms > _MOST_REJECTION_MS
    )


def _rejection_times_ms(access_log: Path, from_bytes: int) -> list[float]:
    """Return how long rejections took in the server, by its access log."""
    lines = _read(access_log)[from_bytes:].splitlines()
    records = [json.loads(line) for line in lines]
    return [
        record["stages_ms"]["total"]
        for record in records
        if record["status"] in _REFUSALS
    ]


def _read(path: Path) -> bytes:
    return path.read_bytes()


if __name__ == "__main__":
    sys.exit(main())
