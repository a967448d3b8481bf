"""Static batching, continuous batching without a prefix cache, and Midfill, in one run.

Run it with ``python -m benchmarks.batching``; ``--help`` lists the options. The load is
that of `load`: typists in editors on Midfill's daemon. What reached the engine is then
asked again, the same tokens at the same moments, cancelled when they were:

- *midfill*: the load itself, through LSP.
- *vllm*: of the same engine, past the server: continuous batching with prefix cache.
- *no prefix cache*: of a second engine, in which vLLM keeps nothing of a prompt.
- *static*: of Hugging Face's ``generate`` (`static_batching`).

KV memory is what requests hold that are running, at most; for static batching, the
largest batch's. Keys that were superseded in the load count as superseded everywhere,
unless they were answered before.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.figures import circumstances, table, write_result
from benchmarks.load_clients import Record
from benchmarks.load_figures import figures_of
from benchmarks.load_target import (
    Target,
    add_load_arguments,
    load_server,
    run_typists,
    settings_of,
)
from benchmarks.random_model import make_random_model
from lsp_server.modelstore.locate import locate

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"
_LINE_BYTES = 1 << 28


class Comparison:
    """Runs the loads, and keeps what came of them.

    Args:
        arguments: The command's.
        folder: For what is handed from one part to the next.
    """

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self._arguments = arguments
        self._folder = folder
        self.facts: Mapping[str, object] = {}
        self.cells: list[dict[str, Any]] = []

    async def run(self) -> None:
        """Run everything, one after the other."""
        loads = await self._on_midfill()
        await self._without_prefix_cache(loads)
        await self._static(loads)
        order = ["static", "no prefix cache", "vllm", "midfill"]
        self.cells.sort(key=lambda each: (each["typists"], order.index(each["route"])))

    async def _on_midfill(self) -> dict[int, Path]:
        """Measure the load itself; return where it stands what was asked."""
        loads = {}
        async with self._server() as target:
            self.facts = target.facts
            seconds = self._arguments.seconds
            # Not measured: what is built at first use.
            await run_typists(target, self._arguments, "lsp", 4, 3.0)
            for typists in self._arguments.typists:
                await target.order("begin")
                await target.order("kv")
                records = await run_typists(
                    target, self._arguments, "lsp", typists, seconds
                )
                self._keep("midfill", typists, records, await target.order("kv"))
                asked = await target.order("asked")
                loads[typists] = self._folder / f"{typists}.json"
                loads[typists].write_text(json.dumps(asked))
                await self._replay(target, "vllm", typists, loads[typists])
        return loads

    async def _without_prefix_cache(self, loads: Mapping[int, Path]) -> None:
        async with self._server("--no-prefix-cache") as target:
            for typists, path in loads.items():
                await self._replay(target, "no prefix cache", typists, path)

    async def _replay(
        self, target: Target, name: str, typists: int, path: Path
    ) -> None:
        await target.order("kv")
        records = await target.replay(path)
        self._keep(name, typists, records, await target.order("kv"))

    async def _static(self, loads: Mapping[int, Path]) -> None:
        engine = self.facts["engine"]
        device = engine["device"] if isinstance(engine, dict) else "cpu"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.static_batching"),
            *map(str, loads.values()),
            *("--model", str(locate(self._arguments.model))),
            *("--device", str(device), "--size", str(self._arguments.batch)),
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
        )
        if process.stdout is None:
            raise RuntimeError("the process has no stdout")
        for typists in loads:
            line = await process.stdout.readline()
            if not line:
                raise SystemExit("static batching failed")
            answer = json.loads(line)
            records = [Record(**each) for each in answer.pop("records")]
            self._keep("static", typists, records, answer)
        await process.wait()

    def _server(self, *options: str) -> Any:  # noqa: ANN401 - load_server's context manager
        random = self._arguments.random_weights
        return load_server(
            settings_of(self._arguments),
            load_format="dummy" if random else "safetensors",
            log=self._arguments.log,
            options=["--kv-meter", *options],
        )

    def _keep(
        self, name: str, typists: int, records: Sequence[Record], kv: Mapping[str, Any]
    ) -> None:
        # A backlog is worked off after the load's end, which counts as well.
        ends_s = [each.start_s + each.total_ms / 1e3 for each in records]
        starts_s = [each.start_s for each in records]
        seconds = max(ends_s, default=1.0) - min(starts_s, default=0.0)
        figures = figures_of(
            records, route=name, typists=typists, seconds=max(seconds, 0.001)
        )
        self.cells.append({**figures, "kv": dict(kv)})
        sys.stderr.write(batching_table(self.cells[-1:]).splitlines()[-1] + "\n")


def batching_table(cells: Sequence[Mapping[str, Any]]) -> str:
    """Lay out all systems."""
    head = ["typists", "system", "replies/s", "tokens/s", "mean ms", "p50", "p95"]
    head += ["superseded", "cached", "KV MiB, most"]
    rows = []
    for each in cells:
        latency = each["latency_ms"]
        rows.append(
            [
                str(each["typists"]),
                each["route"],
                f"{each['replies_per_s']:.1f}",
                f"{each['output_tokens_per_s']:.1f}",
                *(str(latency.get(key, "")) for key in ("mean", "p50", "p95")),
                f"{each['superseded_share']:.1%}",
                f"{each['cached_share']:.1%}",
                str(each["kv"].get("most_mib", "")),
            ]
        )
    return table(head, rows)


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print a table, write a JSON file, and return the exit status."""
    parser = argparse.ArgumentParser(
        description="Static and continuous batching, and Midfill, in one run."
    )
    parser.add_argument("--typists", type=int, nargs="+", default=[32, 100])
    parser.add_argument("--batch", type=int, default=16, help="a full static batch")
    parser.add_argument("--out", type=Path, default=_RESULTS / "batching.json")
    add_load_arguments(parser)
    arguments = parser.parse_args(words)
    with ExitStack() as stack:
        made = tempfile.TemporaryDirectory(prefix="midfill-batching-")
        folder = Path(stack.enter_context(made))
        if arguments.random_weights:
            model = make_random_model(folder, arguments.random_weights)
            arguments.model = str(model)
        comparison = Comparison(arguments, folder)
        asyncio.run(comparison.run())
    result = {
        "benchmark": "batching",
        **circumstances(),
        "engine": comparison.facts["engine"],
        "weights": arguments.random_weights or arguments.model,
        "settings": {**settings_of(arguments), "MIDFILL_MODEL_PATH": ""},
        "static_batch": arguments.batch,
        "seed": arguments.seed,
        "interval_ms": arguments.interval_ms,
        "seconds": arguments.seconds,
        "cells": comparison.cells,
    }
    write_result(arguments.out, result)
    print(batching_table(comparison.cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
