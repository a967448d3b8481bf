"""What several candidates cost: explicit requests with one and with more, in turns.

Run it with ``python -m benchmarks.candidates``; ``--help`` lists the options.

The editor opens a document and asks once, so that the engine has read it. Then it asks
for one candidate and for several, in an order that a coin decides, through the whole
server. The engine has to be fresh for neither: prefill is shared by all candidates.
"""

import argparse
import asyncio
import itertools
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import circumstances, median, percentile, table, write_result
from benchmarks.typing_places import KINDS, pauses
from lsp_server.client.headless import HeadlessClient, headless_client
from lsp_server.config import SHIPPED_MODEL

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"
_SERVE = [sys.executable, "-m", "lsp_server", "serve", "--stdio"]
_READY_TIMEOUT_S = 600.0


async def _measure(
    client: HeadlessClient, arguments: argparse.Namespace
) -> dict[int, list[tuple[float, int]]]:
    """Return, for each number of candidates, times and how many items came."""
    chance = random.Random(arguments.seed)  # noqa: S311 - an experiment's seed
    counts = (1, arguments.candidates)
    found: dict[int, list[tuple[float, int]]] = {count: [] for count in counts}
    each_kind = [pauses(kind, arguments.seed) for kind in KINDS]
    places = itertools.chain.from_iterable(zip(*each_kind, strict=True))
    for number, pause in enumerate(itertools.islice(places, arguments.cursors)):
        uri = f"file:///benchmark/{number}/{pause.name}"
        client.open_text(uri, pause.text)
        await client.complete(uri, pause.offset)
        for count in chance.sample(counts, len(counts)):
            settings = {"completion": {"candidates": count}}
            client.configure({**settings, "prompt": _prompt(arguments)})
            answer = await client.complete(uri, pause.offset)
            found[count].append((answer.round_trip_ms, len(answer.suggestions)))
        client.close_file(uri)
    return found


def _prompt(arguments: argparse.Namespace) -> dict[str, int]:
    return {"maxPromptTokens": arguments.prompt_tokens}


async def _run(arguments: argparse.Namespace) -> None:
    began = circumstances()
    options = {
        "model": {"path": arguments.model},
        "prompt": _prompt(arguments),
        "daemon": {"mode": "never"},
    }
    async with headless_client(
        _SERVE, stderr_path=arguments.log, options=options
    ) as client:
        await client.wait_until_ready(_READY_TIMEOUT_S)
        found = await _measure(client, arguments)
    cells = [
        {
            "candidates": count,
            "ms_p50": round(median([ms for ms, _ in answers]), 1),
            "ms_p95": round(percentile([ms for ms, _ in answers], 95), 1),
            "items_mean": round(sum(n for _, n in answers) / len(answers), 2),
        }
        for count, answers in found.items()
    ]
    one, several = found.values()
    ratios = [more / less for (less, _), (more, _) in zip(one, several, strict=True)]
    result = {
        "benchmark": "candidates",
        **began,
        "model": arguments.model,
        "seed": arguments.seed,
        "cursors": arguments.cursors,
        "prompt_tokens": arguments.prompt_tokens,
        "cells": cells,
        "ratio_p50": round(median(ratios), 2),
    }
    write_result(arguments.out, result)
    head = list(cells[0])
    sys.stdout.write(table(head, [[str(v) for v in c.values()] for c in cells]) + "\n")
    sys.stdout.write(f"several take {result['ratio_p50']} times as long, p50\n")


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write the result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.candidates",
        description="Ask for one candidate and for several, and compare the times.",
    )
    add = parser.add_argument
    add("--model", default=SHIPPED_MODEL)
    add("--candidates", type=int, default=3)
    add("--cursors", type=int, default=60)
    add("--prompt-tokens", type=int, default=1024, help="most (default: %(default)s)")
    add("--seed", type=int, default=0)
    add("--out", type=Path, default=_RESULTS / "candidates.json")
    add("--log", type=Path, default=Path(os.devnull))
    asyncio.run(_run(parser.parse_args(words)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
