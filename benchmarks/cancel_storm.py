"""Cancels a thousand completions in the real engine, and looks for what they leave.

Run it with ``python -m benchmarks.cancel_storm``; ``--help`` lists the options.

Each pair is a request and its ``$/cancelRequest``, over LSP, to the server that editors
use. The cancellation comes at a random moment: at once, while the prompt is read, or
between two tokens. What must hold, and is checked: one reply for each request, no
request left in the engine, no KV block held, and no growth in the memory of the server
and of the engine's processes, once they have given back what is free. A completion that
is asked for in the end still comes.
"""

import argparse
import asyncio
import dataclasses
import itertools
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench_editor import bench_editor
from benchmarks.figures import circumstances, table, write_result
from benchmarks.memory import MemoryReading, growth_mib, read_memory
from benchmarks.side_channel import SideChannel
from benchmarks.workload import places
from lsp_server.client.headless import HeadlessClient
from lsp_server.config import SHIPPED_MODEL

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"
_DOCUMENTS = 8
_LONGEST_WAIT_MS = 250.0
_SETTLE_TIMEOUT_S = 30.0


class Storm:
    """Requests and cancellations, several documents at a time.

    Args:
        client: The editor.
        side: The door beside the protocol.
        seed: Decides the places and the moments of cancellation.
    """

    def __init__(self, client: HeadlessClient, side: SideChannel, seed: int) -> None:
        """Open the documents."""
        self._client = client
        self._side = side
        self._chance = random.Random(seed)  # noqa: S311 - an experiment's seed
        self._places = list(itertools.islice(places(seed), _DOCUMENTS))
        for place in self._places:
            client.open_text(place.uri, place.text)
        self.replies: Counter[str] = Counter()

    async def cancel_pairs(self, pairs: int) -> None:
        """Send ``pairs`` requests, each with its cancellation, and take the replies."""
        shares = [len(range(n, pairs, _DOCUMENTS)) for n in range(_DOCUMENTS)]
        async with asyncio.TaskGroup() as group:
            for place, share in zip(self._places, shares, strict=True):
                group.create_task(self._cancel_in(place.uri, place.offset, share))

    async def _cancel_in(self, uri: str, offset: int, pairs: int) -> None:
        """Ask, wait a moment, cancel, take the reply; one after the other."""
        for _ in range(pairs):
            pending = self._client.ask(uri, offset)
            # A third at once, the others while the engine is at it.
            wait_ms = max(0.0, self._chance.uniform(-0.5, 1.0)) * _LONGEST_WAIT_MS
            if wait_ms:
                await asyncio.sleep(wait_ms / 1e3)
            self._client.cancel(pending)
            answer = await pending.answer
            self.replies["cancelled" if answer.cancelled else "answered"] += 1

    async def complete_everywhere(self) -> None:
        """Complete in all documents in the same moment: the engine's largest batch."""
        async with asyncio.TaskGroup() as group:
            for place in self._places:
                group.create_task(self._client.complete(place.uri, place.offset))

    async def settle(self) -> bool:
        """Wait until the engine holds nothing any more; False if it never does."""
        deadline_s = time.monotonic() + _SETTLE_TIMEOUT_S
        while time.monotonic() < deadline_s:
            # The prefix cache can be emptied only if no request holds a block.
            if not await self._side.unfinished() and await self._side.forget():
                return True
            await asyncio.sleep(0.1)
        return False

    async def completes(self) -> bool:
        """Return whether a completion still comes."""
        place = self._places[0]
        answer = await self._client.complete(place.uri, place.offset)
        return bool(answer.suggestions)


async def _run(arguments: argparse.Namespace) -> bool:
    options = {
        "model": {"path": arguments.model},
        "completion": {"deadlineMs": 0},
        "log": {"level": "warning"},
    }
    async with bench_editor(options, load_format="safetensors", log=arguments.log) as (
        client,
        side,
    ):
        result: dict[str, object] = {
            "benchmark": "cancel_storm",
            **circumstances(),
            "engine": await side.info(),
            "model": arguments.model,
            "seed": arguments.seed,
        }
        storm = Storm(client, side, arguments.seed)
        warm_up = max(arguments.pairs // 10, 1)
        await storm.complete_everywhere()
        await storm.cancel_pairs(warm_up)
        await storm.settle()
        warm_up_replies = storm.replies.total()
        storm.replies.clear()
        memory = [await read_memory(client.server_process_id, side, 0)]
        started_s = time.monotonic()
        done, settled = 0, []
        for part in _parts(arguments.pairs, 10):
            await storm.cancel_pairs(part)
            done += part
            settled.append(await storm.settle())
            memory.append(await read_memory(client.server_process_id, side, done))
            sys.stderr.write(f"{memory[-1]}\n")
        took_s = time.monotonic() - started_s
        left = await side.unfinished()
        growth = _growth(memory)
        checks = {
            "one_reply_for_each_request": storm.replies.total() == arguments.pairs
            and warm_up_replies == warm_up,
            "no_request_left": left == 0,
            "no_kv_block_held": all(settled),
            "memory_flat": max(growth.values()) <= arguments.most_growth_mib,
            "still_completes": await storm.completes(),
        }
        result |= {
            "pairs": arguments.pairs,
            "warm_up_pairs": warm_up,
            "seconds": round(took_s, 1),
            "replies": dict(storm.replies),
            "requests_left_in_engine": left,
            "memory_growth_mib_in_1000_pairs": growth,
            "memory_mib": [dataclasses.asdict(each) for each in memory],
            "checks": checks,
        }
    write_result(arguments.out, result)
    rows = [[name, "ok" if holds else "FAILED"] for name, holds in checks.items()]
    sys.stdout.write(table(["what must hold", "does it"], rows) + "\n")
    return all(checks.values())


def _growth(memory: Sequence[MemoryReading]) -> dict[str, float]:
    """Return how fast each process's memory grows, in MiB for 1,000 pairs."""
    names = ("server", "engine", "server_in_use", "engine_in_use")
    return {
        name: growth_mib([(each.pairs, getattr(each, name)) for each in memory])
        for name in names
    }


def _parts(total: int, parts: int) -> list[int]:
    """Divide a number into nearly equal parts, none of them 0."""
    edges = [total * n // parts for n in range(parts + 1)]
    return [part for part in (b - a for a, b in itertools.pairwise(edges)) if part]


def main(words: Sequence[str] | None = None) -> int:
    """Run the storm, print what held, and give 0 if all of it did."""
    parser = argparse.ArgumentParser(
        description="Cancel completions in the real engine and see what is left."
    )
    parser.add_argument("--model", default=SHIPPED_MODEL)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument(
        "--most-growth-mib", type=float, default=2.0, help="in 1,000 pairs"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=_RESULTS / "cancel_storm.json")
    parser.add_argument("--log", type=Path, default=Path(os.devnull))
    return 0 if asyncio.run(_run(parser.parse_args(words))) else 1


if __name__ == "__main__":
    sys.exit(main())
