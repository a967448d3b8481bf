"""Three times the load within a minute, against Midfill on Ray Serve on this machine.

Run it with ``python -m benchmarks.surge``; ``--help`` lists the options. The engines
are scripted, at the measured speed of a slice of an H200
(`lsp_server.engine.engine_speed`): a replica gets slower with its load as vLLM does,
and has a prefix cache. Everything else is real: Ray, its proxy, controller and
autoscaler, Midfill's ingress and replicas, HTTP.

The same typists type for each setup, one setup after the other: documents routed to
their replica or by load alone, and replicas that follow the load or are fixed. Written
are replicas over time, times of answers before, during and after the surge, what was
superseded by the typist's next keys, refused (429, 503), and dropped: an answer that is
an error or does not come at all, of which there must be none.

Typists, proxy and replicas share this machine: ``cpu_share`` in the result says how
busy it was. Times at nearly 1 are the machine's, not the setup's.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.figures import circumstances, write_result
from benchmarks.load_clients import Record, RestClient, type_for
from benchmarks.surge_cluster import (
    Replicas,
    Setup,
    deploy,
    processor_s,
    replicas_now,
)
from benchmarks.surge_figures import Phases, draw, figures_of, surge_table
from benchmarks.typist import Typist

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "servers"))

from ray_cluster import ray_cluster

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[1]
_FACTOR = 3
_CPUS = 16
"""What Ray believes to have."""

_CONNECT_S = 3.0
"""Before the first request, so that all typists begin at moments of their own."""


@dataclass(slots=True)
class Watch:
    """What was seen of the cluster, once a second.

    Attributes:
        at_s: When, from the beginning of the load.
        replicas: How many there were.
        cpu_share: How busy the machine was in the second before.
    """

    at_s: list[float] = field(default_factory=list)
    replicas: list[Replicas] = field(default_factory=list)
    cpu_share: list[float] = field(default_factory=list)

    async def look(self, start_s: float) -> None:
        """Look until cancelled."""
        psutil.cpu_percent()
        while True:
            await asyncio.sleep(1)
            found = await asyncio.to_thread(replicas_now)
            self.at_s.append(round(time.perf_counter() - start_s, 1))
            self.replicas.append(found)
            self.cpu_share.append(psutil.cpu_percent() / 100)


async def _type(
    url: str,
    number: int,
    arguments: argparse.Namespace,
    *,
    from_s: float,
    until_s: float,
) -> list[Record]:
    """Let one typist work from one moment to another."""
    typist = Typist(arguments.seed, number, arguments.interval_ms / 1e3)
    client = RestClient(
        url,
        "",
        max_tokens=arguments.output_tokens,
        prompt_tokens=arguments.prompt_tokens,
    )
    await asyncio.sleep(from_s - time.perf_counter())
    try:
        return await type_for(client, typist, number, until_s)
    finally:
        await client.close()


async def _play(
    url: str, setup: Setup, arguments: argparse.Namespace
) -> dict[str, object]:
    """Deploy a setup, put the load on it, and return its figures."""
    await deploy(setup)
    phases = Phases(
        before_s=arguments.before, surge_s=arguments.surge, after_s=arguments.after
    )
    start_s = time.perf_counter() + _CONNECT_S
    few, many = arguments.typists, _FACTOR * arguments.typists
    watch = Watch()
    watching = asyncio.create_task(watch.look(start_s))
    before = processor_s()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    _type(
                        url,
                        number,
                        arguments,
                        from_s=start_s + phases.joins_s(number, few, many),
                        until_s=start_s + phases.all_s,
                    )
                )
                for number in range(many)
            ]
    finally:
        watching.cancel()
    taken = processor_s()
    records = [record for task in tasks for record in task.result()]
    figures = figures_of(records, phases, start_s=start_s)
    return {
        "name": setup.name,
        "route": "by document" if setup.is_by_document else "power of two",
        "replicas_least": setup.least,
        "replicas_most": setup.most,
        **figures,
        "replicas": {
            "at_s": watch.at_s,
            "running": [each.running for each in watch.replicas],
            "starting": [each.starting for each in watch.replicas],
        },
        "processor_ms_per_request": {
            part: round((seconds - before[part]) * 1e3 / len(records), 2)
            for part, seconds in taken.items()
        },
        "cpu_share": [round(share, 2) for share in watch.cpu_share],
    }


def setups(arguments: argparse.Namespace) -> list[Setup]:
    """Return what is compared."""
    most = arguments.replicas

    def setup(name: str, least: int, *, is_by_document: bool = True) -> Setup:
        return Setup(
            name=name,
            least=least,
            most=most,
            is_by_document=is_by_document,
            slices=arguments.slices,
            target=arguments.target,
            start_ms=arguments.start_ms,
        )

    found = [
        setup("autoscaled, by document", 1),
        setup("autoscaled, power of two", 1, is_by_document=False),
        setup(f"{most} replicas, by document", most),
        setup(f"{most} replicas, power of two", most, is_by_document=False),
    ]
    return found[: arguments.setups]


async def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    # Replicas here only sleep.
    with ray_cluster(cpus=_CPUS) as cluster:
        runs: list[dict[str, object]] = []
        for setup in setups(arguments):
            runs.append(await _play(cluster.url, setup, arguments))
            sys.stderr.write(surge_table(runs[-1:]).splitlines()[-1] + "\n")
    return {
        "benchmark": "surge",
        **circumstances(),
        "engine": f"scripted, one of {arguments.slices} slices of an H200, 7B",
        "engine_start_s": arguments.start_ms / 1e3,
        "typists": [arguments.typists, _FACTOR * arguments.typists],
        "interval_ms": arguments.interval_ms,
        "prompt_tokens": arguments.prompt_tokens,
        "output_tokens": arguments.output_tokens,
        "target_ongoing_requests": arguments.target,
        "seed": arguments.seed,
        "phases_s": [arguments.before, arguments.surge, arguments.after],
        "runs": runs,
    }


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print a table, write result and plot; 1 if a request was dropped."""
    parser = argparse.ArgumentParser(description="A morning surge against Ray Serve.")
    add = parser.add_argument
    add("--typists", type=int, default=8, help="before the surge")
    add("--before", type=float, default=20.0, metavar="S")
    add("--surge", type=float, default=60.0, metavar="S")
    add("--after", type=float, default=100.0, metavar="S")
    add("--replicas", type=int, default=4, help="the most there may be")
    add("--slices", type=int, default=8, help="a replica is this part of an H200")
    add("--target", type=int, default=3, help="requests in flight for each replica")
    add("--start-ms", type=int, default=50_000, help="of an engine")
    add("--interval-ms", type=float, default=500.0, help="mean time between requests")
    add("--prompt-tokens", type=int, default=1000)
    add("--output-tokens", type=int, default=20)
    add("--seed", type=int, default=0)
    add("--setups", type=int, default=4, help="only the first ones")
    add("--out", type=Path, default=_ROOT / "benchmarks" / "results" / "surge.json")
    add("--plot", type=Path, default=_ROOT / "docs" / "images" / "surge.svg")
    arguments = parser.parse_args(words)
    result = asyncio.run(_run(arguments))
    write_result(arguments.out, result)
    runs = result["runs"]
    print(surge_table(runs))
    draw(result, arguments.plot)
    return int(any(run["whole"]["dropped"] for run in runs))


if __name__ == "__main__":
    sys.exit(main())
