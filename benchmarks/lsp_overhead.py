"""What the server costs: the whole path through LSP against vLLM's raw `AsyncLLM`.

Run it with ``python -m benchmarks.lsp_overhead``; ``--help`` lists the options. Several
models are measured one after the other at the same places, each into a file of its own.

Both paths end in one and the same engine process, started once by the server, so that
nothing differs but the path:

- *lsp*: a headless editor, in a process of its own, types a character (``didChange``)
  and asks for a completion (``inlineCompletion``) over the server's pipes. The clock
  starts before the key is sent and ends when the reply has been read, so it holds both
  processes' JSON, the document's change, the prompt, the stop rule and the clean-up.
  The first token is noted where the engine's stream reaches the server, because LSP
  shows an editor no tokens; clock readings of the two processes are comparable, for
  Linux's monotonic clock is the system's.
- *raw*: in the server's process, on its event loop, `AsyncLLM.generate` with the very
  token ids and sampling parameters that the server used for that place. The clock
  starts with the call and ends with the last token that the server had wanted. What
  a front end of one's own would add on top is not in it: the comparison favours raw.

What is kept equal:

- The tokens. Before a place is measured the server completes there, untimed and with
  the cache as it will be; the raw path gets the prompt, the limits and after how
  many tokens the server left.
- The cache. *fresh*: before each of the two, vLLM's prefix cache and the tokenizer's
  memory are emptied. *cached*: an untimed completion has filled both, and the two
  find the same blocks. How many prompt tokens were found is recorded.
- The order. At each place a coin decides which path goes first.
- The load. With 8 clients' worth, 8 documents ask in the same moment, 8 raw
  generations start in the same moment, and a place counts for each of the 8.

The overhead is given three times: as the difference of the two medians, as the median
of the differences at each place, and as what a request of the first path spent outside
of the engine: from the key to the call of the engine, and from the last token to the
reply. The third leaves out what the server does while the engine computes, and is the
only one in which the engine's own times, which vary by far more, do not appear.
"""

import argparse
import asyncio
import itertools
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench_editor import bench_editor
from benchmarks.engine_tap import RawOrder, RawTimes, Seen
from benchmarks.figures import circumstances, write_result
from benchmarks.overhead_figures import Cell, Times, overhead_table, summary_of
from benchmarks.random_model import SHAPES, make_random_model
from benchmarks.side_channel import SideChannel
from benchmarks.workload import Typing, places
from lsp_server.client.headless import HeadlessClient
from lsp_server.config import SHIPPED_MODEL
from lsp_server.values import Trigger

if TYPE_CHECKING:
    from lsp_server.client.documents import Answer

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"
_CACHES = ("cached", "fresh")


class Bench:
    """The two paths to one engine.

    Args:
        client: The editor.
        side: The door beside the protocol.
        seed: Decides the places and which path goes first.
    """

    def __init__(self, client: HeadlessClient, side: SideChannel, seed: int) -> None:
        self._client = client
        self._side = side
        self._places = places(seed)
        self._chance = random.Random(seed)  # noqa: S311 - an experiment's seed
        self._asked = itertools.count(1)

    async def measure(self, clients: int, cache: str, rounds: int) -> Cell:
        """Measure ``rounds`` times ``clients`` places on both paths."""
        cell = Cell(clients=clients, cache=cache)
        for _ in range(rounds):
            burst = list(itertools.islice(self._places, clients))
            for place in burst:
                self._client.open_text(place.uri, place.text)
            await self._measure_burst(burst, cell)
            for place in burst:
                self._client.close_file(place.uri)
        return cell

    async def _measure_burst(self, burst: Sequence[Typing], cell: Cell) -> None:
        seen = await self._prepare(burst, cell.cache)
        orders = [_raw_order(each) for each in seen]
        paths = ["lsp", "raw"]
        self._chance.shuffle(paths)
        for path in paths:
            if cell.cache == "fresh":
                await self._forget()
            if path == "lsp":
                cell.lsp += (await self._through_lsp(burst))[0]
            else:
                cell.raw += map(_times, await self._side.raw(orders))
        cell.prompt_tokens += [len(each.token_ids) for each in seen]

    async def _prepare(self, burst: Sequence[Typing], cache: str) -> list[Seen]:
        """Learn what the server asks of the engine, with the cache as it will be.

        What the cache holds changes how the sums are rounded, and with that, now and
        then, the tokens.
        """
        if cache == "fresh":
            await self._forget()
        else:
            await self._through_lsp(burst)
        return (await self._through_lsp(burst))[1]

    async def _forget(self) -> None:
        if not await self._side.forget():
            raise RuntimeError("a request still holds memory in the engine")

    async def _through_lsp(
        self, burst: Sequence[Typing]
    ) -> tuple[list[Times], list[Seen]]:
        """Type at every place and ask at once; then take the keys back, untimed."""
        typed = [self._type_and_ask(place) for place in burst]
        for each in typed:
            await each.ended
        seen = [await self._side.seen(each.request_id) for each in typed]
        for place in burst:
            self._client.edit(place.uri, place.offset, place.offset + 1, "")
        times = [
            Times(
                ttft_ms=((of.first_token_s or each.started_s) - each.started_s) * 1e3,
                total_ms=(each.ended.result() - each.started_s) * 1e3,
                output_tokens=of.output_tokens,
                cached_tokens=of.cached_tokens,
                outside_ms=(
                    of.asked_s
                    - each.started_s
                    + each.ended.result()
                    - (of.last_token_s or of.asked_s)
                )
                * 1e3,
            )
            for each, of in zip(typed, seen, strict=True)
        ]
        return times, seen

    def _type_and_ask(self, place: Typing) -> "_Typed":
        started_s = time.perf_counter()
        self._client.edit(place.uri, place.offset, place.offset, place.key)
        asked = self._client.ask(place.uri, place.offset + 1, trigger=Trigger.AUTOMATIC)
        ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()

        def note(answer: "asyncio.Task[Answer]") -> None:
            if (error := answer.exception()) is not None:
                ended.set_exception(error)
            else:
                ended.set_result(time.perf_counter())

        asked.answer.add_done_callback(note)
        number = next(self._asked)
        return _Typed(
            request_id=f"completion-{number}", started_s=started_s, ended=ended
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Typed:
    """A request that was sent: its name in the server, its start and its end."""

    request_id: str
    started_s: float
    ended: asyncio.Future[float]


def _raw_order(seen: Seen) -> RawOrder:
    """Ask vLLM for what it did for the server, and no more."""
    return RawOrder(
        token_ids=list(seen.token_ids),
        max_tokens=seen.max_tokens,
        stop_token_ids=list(seen.stop_token_ids),
        enough_tokens=0 if seen.is_finished else seen.output_tokens,
    )


def _times(raw: RawTimes) -> Times:
    return Times(
        ttft_ms=raw.ttft_ms,
        total_ms=raw.total_ms,
        output_tokens=raw.output_tokens,
        cached_tokens=raw.cached_tokens,
    )


async def _run(
    arguments: argparse.Namespace, model: str, out: Path, folder: Path
) -> None:
    if arguments.random_weights:
        model = str(make_random_model(folder, arguments.random_weights))
    options: dict[str, dict[str, object]] = {
        "model": {"path": model},
        # Raw, the engine is asked for the same tokens, and cannot heal.
        "prompt": {"maxPromptTokens": arguments.prompt_tokens, "healing": False},
        "completion": {
            "maxLineTokens": arguments.output_tokens,
            "deadlineMs": 0,
            # Every request is to reach the engine, and to end as raw ones do.
            "cache": False,
            "prewarm": False,
            "eagerness": "always",
            "suggestAfterAccept": True,
        },
        "log": {"level": "warning"},
    }
    if arguments.kv_cache_gib:
        engine = {"kvCacheMemoryBytes": int(arguments.kv_cache_gib * 2**30)}
        options["engine"] = dict(engine)
    load_format = "dummy" if arguments.random_weights else "safetensors"
    summaries: list[dict[str, object]] = []
    started_s = time.monotonic()
    async with bench_editor(options, load_format=load_format, log=arguments.log) as (
        client,
        side,
    ):
        result: dict[str, object] = {
            "benchmark": "lsp_overhead",
            **circumstances(),
            "engine": await side.info(),
            "engine_start_s": round(time.monotonic() - started_s, 1),
            "model": arguments.random_weights or model,
            "weights": "random" if arguments.random_weights else "the model's",
            "options": {**options, "model": {}},
            "seed": arguments.seed,
            "cells": summaries,
        }
        bench = Bench(client, side, arguments.seed)
        for clients in arguments.clients:
            await bench.measure(clients, "cached", 2)  # what is built at first use
        for clients, cache in itertools.product(arguments.clients, _CACHES):
            rounds = arguments.rounds if clients == 1 else arguments.burst_rounds
            summaries.append(summary_of(await bench.measure(clients, cache, rounds)))
            write_result(out, result)
        result["requests_left_in_engine"] = await side.unfinished()
        result["measured_s"] = round(time.monotonic() - started_s, 1)
    write_result(out, result)
    sys.stdout.write(f"{result['model']}\n{overhead_table(summaries)}\n")


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print a table, write a JSON file, and return the exit status."""
    parser = argparse.ArgumentParser(
        description="The whole path through LSP against vLLM's raw AsyncLLM."
    )
    parser.add_argument("--model", nargs="+", default=[SHIPPED_MODEL])
    parser.add_argument("--random-weights", choices=sorted(SHAPES), metavar="SHAPE")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=40, help="with one client")
    parser.add_argument("--burst-rounds", type=int, default=8, help="with several")
    parser.add_argument("--prompt-tokens", type=int, default=1024)
    parser.add_argument("--output-tokens", type=int, default=48)
    parser.add_argument("--kv-cache-gib", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=_RESULTS / "lsp_overhead.json")
    parser.add_argument("--log", type=Path, default=Path(os.devnull))
    arguments = parser.parse_args(words)
    out: Path = arguments.out
    for model in arguments.model:
        name = Path(model).name
        each = out if len(arguments.model) == 1 else out.with_stem(f"{out.stem}_{name}")
        with tempfile.TemporaryDirectory(prefix="midfill-bench-model-") as folder:
            asyncio.run(_run(arguments, model, each, Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
