"""What vLLM's own statistics cost, which `disable_log_stats` leaves out.

Run it with ``python -m benchmarks.log_stats``; ``--help`` lists the options.

Two engines of one model run in one process: one reports to `VllmMetrics`, as with
metrics switched on, and one has `disable_log_stats`. In each round both get the same
requests, one engine after the other, in an order that a coin decides: some one at a
time, as from one typist, then many at once. A request is 700 tokens that its user sent
before and 20 new ones, and asks for 32. Measured are the times, and the processor time
of this process and of each engine's own. What counts is the ratio of the two engines
in a round; its median over the rounds is given with an interval by bootstrap.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from benchmarks.bench_server import start_vllm
from benchmarks.figures import (
    circumstances,
    median,
    percentile,
    table,
    write_result,
)
from benchmarks.random_model import SHAPES, make_random_model
from lsp_server.config import SHIPPED_MODEL, Config, Device, EngineConfig
from lsp_server.engine.base import Engine
from lsp_server.engine.launch import child_processes
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine.vllm_messages import VllmMetrics
from lsp_server.service.loaded_model import LoadedModel, load_model
from lsp_server.values import GenerationRequest

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"
_KNOWN_TOKENS, _NEW_TOKENS, _OUTPUT_TOKENS = 700, 20, 32
_RESAMPLES = 2000
_MEASURES = ("one at a time ms", "at once ms", "server CPU ms", "engine CPU ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One of the two engines.

    Attributes:
        engine: The engine.
        processes: Its own processes.
    """

    engine: Engine
    processes: Sequence[psutil.Process]

    def cpu_ms(self) -> float:
        """Return the processor time of its processes so far, in milliseconds."""
        times = [process.cpu_times() for process in self.processes]
        return sum(each.user + each.system for each in times) * 1e3


class Load:
    """Makes the same requests for both engines.

    Args:
        vocabulary: From how many of the lowest token ids they are made.
        seed: Decides the tokens.
    """

    def __init__(self, vocabulary: int, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - an experiment's seed
        self._ids = range(min(vocabulary, 200), vocabulary)
        self._known: dict[int, tuple[int, ...]] = {}
        self._count = 0

    def requests(self, users: int) -> list[GenerationRequest]:
        """Return a request of each of so many users."""
        made = []
        for user in range(users):
            known = self._known.setdefault(user, self._tokens(_KNOWN_TOKENS))
            self._count += 1
            made.append(
                GenerationRequest(
                    request_id=f"{self._count}",
                    token_ids=known + self._tokens(_NEW_TOKENS),
                    max_tokens=_OUTPUT_TOKENS,
                )
            )
        return made

    def _tokens(self, count: int) -> tuple[int, ...]:
        return tuple(self._chance.choices(self._ids, k=count))


async def _ask(engine: Engine, request: GenerationRequest) -> None:
    async with aclosing(engine.generate(request)) as deltas:
        async for _ in deltas:
            continue


async def _round(
    subject: Subject,
    singles: Sequence[GenerationRequest],
    burst: Sequence[GenerationRequest],
) -> dict[str, float]:
    """Have one engine answer a round's requests; return what that cost."""
    engine_ms, server_s = subject.cpu_ms(), time.process_time()
    times_ms = []
    for request in singles:
        began_s = time.perf_counter()
        await _ask(subject.engine, request)
        times_ms.append((time.perf_counter() - began_s) * 1e3)
    began_s = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for request in burst:
            group.create_task(_ask(subject.engine, request))
    at_once_ms = (time.perf_counter() - began_s) * 1e3
    values = (
        median(times_ms),
        at_once_ms,
        (time.process_time() - server_s) * 1e3,
        subject.cpu_ms() - engine_ms,
    )
    return dict(zip(_MEASURES, values, strict=True))


async def _start(
    config: Config,
    model: LoadedModel,
    stats: VllmMetrics | None,
    load_format: str,
    stack: AsyncExitStack,
) -> Subject:
    before = child_processes()
    engine = await start_vllm(
        config, model, StartProgress({}), load_format, stats=stats
    )
    stack.push_async_callback(engine.close)
    mine = [each for each in child_processes() if each not in before]
    return Subject(engine=engine, processes=mine)


async def _measure(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Start both engines, ask both in turns, and return the result."""
    load_format, path = "safetensors", arguments.model
    if arguments.random_weights:
        load_format = "dummy"
        path = str(make_random_model(folder, arguments.random_weights))
    device = Device(arguments.device)
    engine = EngineConfig(
        device=device,
        max_num_seqs=arguments.at_once,
        kv_cache_memory_bytes=int(arguments.kv_cache_gib * 2**30),
    )
    config = replace(Config(), engine=engine)
    model = await asyncio.to_thread(load_model, path, device)
    load = Load(model.tokenizer.vocabulary_size, arguments.seed)
    chance = random.Random(arguments.seed)  # noqa: S311 - an experiment's seed
    rounds: list[dict[str, dict[str, float]]] = []
    async with AsyncExitStack() as stack:
        subjects = {
            name: await _start(config, model, stats, load_format, stack)
            for name, stats in (("on", VllmMetrics()), ("off", None))
        }
        for number in range(arguments.rounds + 1):
            singles = [load.requests(1)[0] for _ in range(arguments.singles)]
            burst = load.requests(arguments.at_once)
            order = list(subjects)
            chance.shuffle(order)
            found = {
                name: await _round(subjects[name], singles, burst) for name in order
            }
            # In the first round everything is built that is built at first use.
            if number:
                rounds.append(found)
                sys.stderr.write(".")
                sys.stderr.flush()
        info = subjects["off"].engine.info
    sys.stderr.write("\n")
    return {
        "benchmark": "log_stats",
        "circumstances": circumstances(),
        "device": info.device,
        "model": Path(path).name,
        "rounds": len(rounds),
        "one_at_a_time": arguments.singles,
        "at_once": arguments.at_once,
        "figures": {each: _compared(rounds, each, chance) for each in _MEASURES},
    }


def _compared(
    rounds: Sequence[dict[str, dict[str, float]]], measure: str, chance: random.Random
) -> dict[str, float]:
    """Return both medians, and the ratio of on to off with its interval."""
    ratios = [each["on"][measure] / max(each["off"][measure], 1e-9) for each in rounds]
    resampled = [
        median(chance.choices(ratios, k=len(ratios))) for _ in range(_RESAMPLES)
    ]
    return {
        "on": round(median([each["on"][measure] for each in rounds]), 3),
        "off": round(median([each["off"][measure] for each in rounds]), 3),
        "ratio": round(median(ratios), 4),
        "ratio_from": round(percentile(resampled, 2.5), 4),
        "ratio_to": round(percentile(resampled, 97.5), 4),
    }


def main() -> int:
    """Measure, print a table, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--device", choices=["auto", "cpu", "cuda"], default="auto")
    add("--model", default=SHIPPED_MODEL, help="a name or a folder")
    add("--random-weights", choices=sorted(SHAPES), metavar="SHAPE")
    add("--rounds", type=int, default=20)
    add("--singles", type=int, default=8, help="requests one at a time in a round")
    add("--at-once", type=int, default=8, help="requests at once in a round")
    add("--kv-cache-gib", type=float, default=0.25, help="of each engine")
    add("--seed", type=int, default=0)
    add("--result", type=Path, default=_RESULTS / "log_stats_cpu.json", metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(_measure(arguments, Path(folder)))
    figures = result["figures"]
    if not isinstance(figures, dict):
        raise TypeError("figures")
    head = ["", "with statistics", "without", "ratio", "from", "to"]
    print(table(head, [[n, *map(str, f.values())] for n, f in figures.items()]))
    write_result(arguments.result, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
