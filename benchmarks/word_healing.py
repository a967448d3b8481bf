"""What token healing gains: cursors inside of words, with it and without.

Run it with ``python -m benchmarks.word_healing``; ``--help`` lists the options.

Each cursor stands where somebody pauses in typing; the rest of the line is not written
yet. The editor opens the document and asks once, so that the engine has read what is
around the cursor. Then it asks twice more, with ``prompt.healing`` on and off, in an
order that a coin decides: through the whole server, as an automatic request. What is
compared with is what the file's author wrote.
"""

import argparse
import asyncio
import itertools
import os
import random
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import circumstances, percentile, table, write_result
from benchmarks.typing_places import KINDS, Pause, pauses
from lsp_server.client.headless import HeadlessClient, headless_client
from lsp_server.config import SHIPPED_MODEL
from lsp_server.values import Trigger

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"
_SERVE = [sys.executable, "-m", "lsp_server", "serve", "--stdio"]
_READY_TIMEOUT_S = 600.0
_VARIANTS = ("before", "after")
_NEXT_WORD = re.compile(r"\s*(\w+|[^\w\s]+|)")
_REST_OF_WORD = re.compile(r"\w*")


async def _ask(client: HeadlessClient, pause: Pause, uri: str) -> dict[str, object]:
    """Ask once, and compare with what was written in truth."""
    answer = await client.complete(uri, pause.offset, trigger=Trigger.AUTOMATIC)
    text = answer.suggestions[0].text if answer.suggestions else ""
    line = text.partition("\n")[0]
    word = (_REST_OF_WORD if pause.typed else _NEXT_WORD).match(line)
    is_exact = word is not None and word[0].strip() == pause.word.strip()
    return {
        "word": is_exact and bool(line),
        "line": bool(line) and line.rstrip() == pause.line.rstrip(),
        "repeats": bool(pause.typed)
        and line.lstrip().startswith(pause.typed)
        and not pause.line.startswith(pause.typed),
        "empty": not text,
        "ms": round(answer.round_trip_ms, 1),
        "ttft_ms": answer.timings and answer.timings.ttft_ms,
        "cached": answer.timings and answer.timings.cached_tokens,
    }


async def _measure(
    client: HeadlessClient, kind: str, count: int, seed: int, prompt_tokens: int
) -> dict[str, list[dict[str, object]]]:
    """Ask at so many cursors of a kind."""
    chance = random.Random(seed)  # noqa: S311 - an experiment's seed, not a secret
    found: dict[str, list[dict[str, object]]] = {name: [] for name in _VARIANTS}
    for number, pause in enumerate(itertools.islice(pauses(kind, seed), count)):
        uri = f"file:///benchmark/{number}/{pause.name}"
        client.open_text(uri, pause.text)
        await client.complete(uri, pause.offset, trigger=Trigger.AUTOMATIC)
        for name in chance.sample(_VARIANTS, len(_VARIANTS)):
            client.configure(
                {
                    "prompt": {
                        "maxPromptTokens": prompt_tokens,
                        "healing": name == "after",
                    }
                }
            )
            found[name].append(await _ask(client, pause, uri))
        client.close_file(uri)
        if number % 20 == 19:
            sys.stderr.write(f"{kind}: {number + 1} of {count}\n")
    return found


def _summary(answers: Sequence[dict[str, object]]) -> dict[str, float]:
    """Put answers into shares and percentiles."""
    shares = {
        key: round(sum(bool(each[key]) for each in answers) / len(answers), 3)
        for key in ("word", "line", "repeats", "empty")
    }
    times_ms = [float(str(each["ms"])) for each in answers]
    return {
        **shares,
        "ms_p50": round(percentile(times_ms, 50), 1),
        "ms_p95": round(percentile(times_ms, 95), 1),
    }


async def _run(arguments: argparse.Namespace) -> None:
    result: dict[str, object] = {
        "benchmark": "word_healing",
        **circumstances(),
        "model": arguments.model,
        "seed": arguments.seed,
        "cursors_of_each_kind": arguments.cursors,
        "prompt_tokens": arguments.prompt_tokens,
    }
    cells: list[dict[str, object]] = []
    options: dict[str, dict[str, object]] = {
        "model": {"path": arguments.model},
        "prompt": {"maxPromptTokens": arguments.prompt_tokens},
        "log": {"level": "warning"},
        "daemon": {"mode": "never"},
    }
    began_s = time.monotonic()
    async with headless_client(
        _SERVE, stderr_path=arguments.log, options=options
    ) as client:
        await client.wait_until_ready(_READY_TIMEOUT_S)
        for kind in arguments.kinds:
            found = await _measure(
                client,
                kind,
                arguments.cursors,
                arguments.seed,
                arguments.prompt_tokens,
            )
            for name, answers in found.items():
                cells.append({"kind": kind, "healing": name, **_summary(answers)})
            result |= {"cells": cells, "took_s": round(time.monotonic() - began_s, 1)}
            write_result(arguments.out, result)
    head = list(cells[0])
    rows = [[str(value) for value in cell.values()] for cell in cells]
    sys.stdout.write(table(head, rows) + "\n")


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write the result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.word_healing",
        description="Complete at cursors inside of words, with healing and without.",
    )
    add = parser.add_argument
    add("--model", default=SHIPPED_MODEL)
    add("--kinds", nargs="+", choices=KINDS, default=["identifier"])
    add("--cursors", type=int, default=200, help="of each kind (default: %(default)s)")
    add("--prompt-tokens", type=int, default=1024, help="most (default: %(default)s)")
    add("--seed", type=int, default=0)
    add("--out", type=Path, default=_RESULTS / "word_healing.json")
    add("--log", type=Path, default=Path(os.devnull))
    asyncio.run(_run(parser.parse_args(words)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
