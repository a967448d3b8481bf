"""What waiting before a generation saves, and what it costs, by simulation.

``python -m benchmarks.debounce [--seed N] [--output FILE]`` lets typists share a
simulated engine, each key asking for a completion and superseding the one before, under
several rules of waiting. Midfill's rule is the server's own code.

The typists type bursts of keys with pauses between them; the engine slows down with
every request that it works on, by as much as the setting says. Latency is counted where
it is felt: from the last key before a pause to the completion.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from benchmarks.debounce_simulation import (
    Counts,
    Setting,
    Simulation,
    Typist,
    Wait,
)
from benchmarks.figures import circumstances, percentile, table, write_result
from lsp_server.config import CompletionConfig
from lsp_server.service.debounce import wait_ms


def _cpu(typists: int, answer_ms: float) -> Setting:
    name = f"{typists} on a CPU, {answer_ms:.0f} ms"
    return Setting(
        name=name, typists=typists, answer_ms=answer_ms, slowdown=1, places=4
    )


def _gpu(typists: int) -> Setting:
    return Setting(
        name=f"{typists} on a GPU, 124 ms",
        typists=typists,
        answer_ms=124,
        slowdown=0.02,
        places=64,
    )


_SETTINGS = (
    *(_cpu(typists, 64) for typists in (1, 4, 8)),
    *(_cpu(typists, 400) for typists in (1, 4)),
    *(_gpu(typists) for typists in (30, 200)),
)


def _midfill(typist: Typist, load: float) -> float:
    return wait_ms(
        typist.pace.gaps_ms,
        since_key_ms=0.0,
        answer_ms=typist.times.typical_ms,
        load=load,
        max_ms=CompletionConfig().max_debounce_ms,
    )


def _by_mean_gap(typist: Typist, _load: float) -> float:
    """Wait three mean gaps less the latency, whatever the load.

    Source: the rule of TabbyML/tabby's debouncer within a word.
    """
    short_ms = [gap for gap in typist.pace.gaps_ms if gap < 400] or [100.0]
    base_ms = min(max(sum(short_ms) / len(short_ms), 100.0), 400.0)
    return min(max(3.0 * base_ms - typist.times.typical_ms, 100.0), 1000.0)


RULES: Mapping[str, Wait] = MappingProxyType(
    {
        "never": lambda _typist, _load: 0.0,
        "150 ms": lambda _typist, _load: 150.0,
        "300 ms": lambda _typist, _load: 300.0,
        "3 gaps - latency": _by_mean_gap,
        "Midfill": _midfill,
    }
)


def _figures(counts: Counts) -> dict[str, float]:
    """Return the columns of the table."""
    keys = counts.keys / 100
    return {
        "begun of 100 keys": counts.begun / keys,
        "in time of 100 keys": counts.in_time / keys,
        "engine ms a key": counts.work_ms / counts.keys,
        "pauses answered, %": 100 * len(counts.pause_ms) / counts.pauses,
        "p50 ms": percentile(counts.pause_ms, 50),
        "p90 ms": percentile(counts.pause_ms, 90),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate every setting under every rule, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for setting in _SETTINGS:
        for rule, wait in RULES.items():
            counts = Simulation(setting, wait, options.seed).run()
            rows[setting.name, rule] = _figures(counts)
    head = ["typists, engine", "waits", *next(iter(rows.values()))]
    print(
        table(
            head,
            [
                [*names, *(f"{each:.0f}" for each in row.values())]
                for names, row in rows.items()
            ],
        )
    )
    if options.output:
        figures = [
            {"setting": setting, "rule": rule, **row}
            for (setting, rule), row in rows.items()
        ]
        result = {"seed": options.seed, "figures": figures, **circumstances()}
        write_result(options.output, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
