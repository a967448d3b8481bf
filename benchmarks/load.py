"""Simulated typists on one server: what they wait for, over LSP and over REST.

Run it with ``python -m benchmarks.load``; ``--help`` lists the options. By default it
starts the server itself, the daemon and the REST API in one process on one engine
(`load_server`). For each number of typists it measures, one after the other and each
with an empty prefix cache:

- *lsp*: an editor for every typist, on the daemon's socket.
- *rest*: the same typists, each burst one request of ``/v1/completions``.
- *team*: the same typists over TCP on front ends (``--front-ends``), processes of their
  own on the same engine.
- *raw*: what the load before it asked of the engine, asked again of vLLM's `AsyncLLM`
  on the engine's event loop: the same tokens at the same moments, cancelled when they
  were. It has no editor, no JSON, no prompt to build: the difference is Midfill's cost.

The typists are those of `typist`: their traces hang on the seed alone. They are spread
over processes of their own, so that one client's work does not delay another's.
"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import circumstances, write_result
from benchmarks.load_figures import draw, engine_figures, figures_of, load_table
from benchmarks.load_target import (
    Target,
    add_load_arguments,
    load_server,
    run_typists,
    running_server,
    settings_of,
)
from benchmarks.random_model import make_random_model

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"

_WARM_UP_TYPISTS, _WARM_UP_S = 4, 3.0
"""Not measured: what is built at first use."""


async def _measure(
    target: Target, arguments: argparse.Namespace, asked_path: Path
) -> list[Any]:
    """Run every load, and return the figures of each."""
    cells: list[dict[str, Any]] = []
    seconds = arguments.seconds
    for route in {*arguments.routes} - {"raw"}:
        await run_typists(target, arguments, route, _WARM_UP_TYPISTS, _WARM_UP_S)
    for typists, route in itertools.product(arguments.typists, arguments.routes):
        asked, cpu_s = None, (0.0, 0.0)
        if route == "raw":
            records = await target.replay(asked_path)
        else:
            await target.order("begin")
            before_s = await target.order("cpu")
            records = await run_typists(target, arguments, route, typists, seconds)
            after_s = await target.order("cpu")
            cpu_s = (after_s[0] - before_s[0], after_s[1] - before_s[1])
            asked = await target.order("asked")
            if route != "rest":
                asked_path.write_text(json.dumps(asked))  # noqa: ASYNC240 - nothing else runs
        cell = figures_of(records, route=route, typists=typists, seconds=seconds)
        if route != "raw":
            server_ms, front_ends_ms = (1e3 * each / len(records) for each in cpu_s)
            cell["server_cpu_ms_per_request"] = round(server_ms, 2)
            cell["front_ends_cpu_ms_per_request"] = round(front_ends_ms, 2)
        cells.append({**cell, **engine_figures(asked)} if asked else cell)
        sys.stderr.write(load_table(cells[-1:]).splitlines()[-1] + "\n")
    return cells


async def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="midfill-load-") as folder:
        if arguments.random_weights:
            arguments.model = str(
                make_random_model(Path(folder), arguments.random_weights)
            )
        if arguments.attach:
            target = running_server(arguments.url)
            cells = await _measure(target, arguments, Path(folder, "asked.json"))
            return _result(target, arguments, cells, start_s=0.0)
        load_format = "dummy" if arguments.random_weights else "safetensors"
        async with load_server(
            settings_of(arguments),
            load_format=load_format,
            log=arguments.log,
            options=[
                *(["--paced"] if arguments.paced else []),
                *("--front-ends", str(arguments.front_ends)),
            ],
        ) as target:
            start_s = round(time.monotonic() - started_s, 1)
            cells = await _measure(target, arguments, Path(folder, "asked.json"))
    return _result(target, arguments, cells, start_s=start_s)


def _result(
    target: Target, arguments: argparse.Namespace, cells: list[Any], *, start_s: float
) -> dict[str, Any]:
    """Return the figures with what they were measured of."""
    return {
        "benchmark": "load",
        **circumstances(),
        "engine": target.facts["engine"],
        "engine_start_s": start_s,
        "model": arguments.random_weights or arguments.model,
        "weights": "random" if arguments.random_weights else "the model's",
        "settings": {}
        if arguments.attach
        else {**settings_of(arguments), "MIDFILL_MODEL_PATH": ""},
        "seed": arguments.seed,
        "front_ends": arguments.front_ends,
        "interval_ms": arguments.interval_ms,
        "seconds": arguments.seconds,
        "cells": cells,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Simulated typists on one server, over LSP and over REST."
    )
    add = parser.add_argument
    add("--typists", type=int, nargs="+", default=[1, 8, 32, 100, 256])
    add("--routes", nargs="+", choices=["lsp", "raw", "rest", "team"])
    add("--front-ends", type=int, default=0, help="processes for the route team")
    add("--out", type=Path, default=_RESULTS / "load.json")
    add(
        "--attach",
        action="store_true",
        help="load the daemon that runs, with its own settings; LOAD_API_KEY may hold "
        "the key for its REST API",
    )
    add(
        "--paced",
        action="store_true",
        help="an engine that computes nothing, at a GPU's pace: the server's own cost",
    )
    add("--url", default="", help="with --attach: of the REST API")
    add("--draw", type=Path, metavar="JSON", help="only draw an earlier result")
    add_load_arguments(parser)
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print a table, write JSON and plot, and return the exit status."""
    arguments = _parser().parse_args(words)
    routes = arguments.routes or ["lsp", "raw", "rest"]
    if arguments.paced:
        routes = [each for each in routes if each != "raw"]
    if arguments.front_ends and "team" not in routes:
        routes = [*routes, "team"]
    # Raw repeats what the editors asked before it.
    needs_lsp = "raw" in routes and not {"lsp", "team"} & {
        *routes[: routes.index("raw")]
    }
    arguments.routes = ["lsp", *routes] if needs_lsp else routes
    if arguments.attach:
        # Its engine cannot be asked past the server.
        arguments.routes = ["lsp", *(["rest"] if arguments.url else [])]
    if arguments.draw:
        cells = json.loads(arguments.draw.read_bytes())["cells"]
        draw(cells, arguments.draw.with_suffix(".svg"))
        return 0
    result = asyncio.run(_run(arguments))
    write_result(arguments.out, result)
    print(load_table(result["cells"]))
    try:
        draw(result["cells"], arguments.out.with_suffix(".svg"))
    except ImportError:
        sys.stderr.write("No plot: matplotlib is not installed here; see --draw.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
