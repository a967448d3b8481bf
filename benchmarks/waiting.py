"""What a server under load gains by letting requests wait, by simulation.

``python -m benchmarks.waiting [--typists N …] [--output FILE]`` lets the typists of
`benchmarks.load` work on a simulated H200 with a 7B model, under several rules, and
takes about two minutes. The wait before the prompt is the server's own code; times are
those of answered requests, from the key to the answer, every wait included, as in
`benchmarks.load`.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from benchmarks.capacity_replica import Stage
from benchmarks.figures import circumstances, percentile, table, write_result
from benchmarks.waiting_simulation import Editor, Rules, Server
from lsp_server.config import AdmissionConfig, CompletionConfig
from lsp_server.engine.engine_speed import H200_7B
from lsp_server.service.debounce import wait_ms
from lsp_server.service.joined_starts import LEAST_RUNNING

__all__ = ["RULES", "figures", "main"]

_SECONDS, _SEEDS = 12.0, (0, 1)
_ALONE_MS = 110.0
"""How long an answer takes that is alone on the engine."""


def _wait(editor: Editor, answer_ms: float, load: float) -> float:
    return wait_ms(
        editor.pace.gaps_ms,
        since_key_ms=editor.pace.since_key_ms(""),
        answer_ms=answer_ms,
        load=load,
        max_ms=CompletionConfig().max_debounce_ms,
    )


def _by_places(server: Server, editor: Editor) -> float:
    """Wait as the server does."""
    load = min(1.0, server.running / _STAGE.most_running)
    return _wait(editor, editor.times.typical_ms, load)


def _by_slowness(server: Server, editor: Editor) -> float:
    """Wait with how much slower answers are than on an idle engine as the load."""
    answer_ms = server.times.typical_ms
    load = 1 - _ALONE_MS / answer_ms if answer_ms > _ALONE_MS else 0.0
    return _wait(editor, answer_ms, load)


_STAGE = Stage(speed=H200_7B, server_ms=0.0, most_running=256, most_waiting=10_000)
_BEFORE = Rules(wait=_by_places, stage=_STAGE)
_MIDFILL = replace(
    _BEFORE,
    joined_ms=AdmissionConfig().joined_start_ms,
    least_running=LEAST_RUNNING,
)

RULES: Mapping[str, Rules] = MappingProxyType(
    {
        "each at once": _BEFORE,
        "no wait for keys": replace(_BEFORE, wait=lambda _server, _editor: 0.0),
        "65 ms for keys": replace(_BEFORE, wait=lambda _server, _editor: 65.0),
        "for keys, by slowness": replace(_BEFORE, wait=_by_slowness),
        "32 in the engine": replace(_BEFORE, stage=replace(_STAGE, most_running=32)),
        "Midfill: joined": _MIDFILL,
        "joined, 20 ms": replace(_MIDFILL, joined_ms=20.0),
        "joined, 80 ms": replace(_MIDFILL, joined_ms=80.0),
        "joined before the prompt": replace(_MIDFILL, joins_early=True),
        "joined, and by slowness": replace(_MIDFILL, wait=_by_slowness),
        "joined, 32 in the engine": replace(
            _MIDFILL, stage=replace(_STAGE, most_running=32)
        ),
        "joined, steps of 2,048": replace(
            _MIDFILL, stage=replace(_STAGE, speed=replace(H200_7B, step_tokens=2048))
        ),
        "joined, 16 tokens": replace(_MIDFILL, most_tokens=16),
        "joined, 0.8 of the work": replace(_MIDFILL, work=0.8),
    }
)


def figures(
    typists: int, rules: Rules, *, seconds: float, seeds: Sequence[int]
) -> dict[str, float]:
    """Return the columns of the table for one rule."""
    times_ms: list[float] = []
    asked = begun = superseded = busy = 0
    worked_ms = 0.0
    for seed in seeds:
        server = Server(typists, seconds, rules, seed)
        server.run()
        asked += len(server.seen)
        begun += server.begun
        worked_ms += server.worked_ms
        superseded += sum(each.outcome == "superseded" for each in server.seen)
        busy += sum(each.outcome == "busy" for each in server.seen)
        times_ms += [
            each.end_ms - each.ask.at_ms
            for each in server.seen
            if each.outcome == "answered"
        ]
    return {
        "answered of 100": 100 * len(times_ms) / asked,
        "superseded": 100 * superseded / asked,
        "refused": 100 * busy / asked,
        "in the engine": 100 * begun / asked,
        "mean ms": sum(times_ms) / max(1, len(times_ms)),
        "p50": percentile(times_ms, 50),
        "p95": percentile(times_ms, 95),
        "p99": percentile(times_ms, 99),
        "server's core, %": worked_ms / seconds / len(seeds) / 10,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate every load under every rule, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--typists", type=int, nargs="+", default=[1, 32, 64, 100, 256])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    rows: dict[tuple[int, str], dict[str, float]] = {}
    for typists in options.typists:
        for name, rules in RULES.items():
            rows[typists, name] = figures(
                typists, rules, seconds=_SECONDS, seeds=_SEEDS
            )
    head = ["typists", "requests", *next(iter(rows.values()))]
    print(
        table(
            head,
            [
                [str(typists), name, *(f"{each:,.0f}" for each in row.values())]
                for (typists, name), row in rows.items()
            ],
        )
    )
    if options.output:
        found = [
            {"typists": typists, "rule": name, **row}
            for (typists, name), row in rows.items()
        ]
        result = {"benchmark": "waiting", "figures": found, **circumstances()}
        write_result(options.output, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
