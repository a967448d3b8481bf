"""How many GPUs 10,000 typists need, hour by hour; no GPU is needed to find out.

Run it with ``python -m benchmarks.capacity``; ``--help`` lists the options. It takes
about two minutes, and

1. simulates what was measured on an H200, ``results/load_h200_*.json`` included, to see
   how far it is off (`capacity_measured`);
2. simulates one replica under more and more typists, also with one thing changed at a
   time, and routes by document and by load (`capacity_curve`);
3. plays a day with a morning surge for several ways to choose the number of replicas
   (`capacity_fleet`).

It writes the result, the plots and, with ``--write-docs``, the tables of
``docs/capacity.md``.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.capacity_curve import SERVER_MS, curve_of, routes_of, variants
from benchmarks.capacity_day import Moment, play
from benchmarks.capacity_figures import draw_day, draw_replica, report, write_into
from benchmarks.capacity_fleet import (
    ENGINE_START_S,
    GPU_HOUR_USD,
    MOST_P95_MS,
    SURGE_S,
    by_hour,
    day,
    planned,
    policies,
    pull_s,
    summary,
    warm_replicas,
)
from benchmarks.capacity_measured import Compared, compare, compare_load
from benchmarks.figures import circumstances, write_result
from lsp_server.engine.engine_speed import H200_7B

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[1]
_RESULTS = _ROOT / "benchmarks" / "results"
_ROUTED = ((40, (1, 2, 4, 8, 16)), (65, (1, 2, 4, 8, 16)))
"""Typists for each replica, and replicas."""

_DELAYS_S = (0, 15, 60, 123, 160, 423)
"""Until an ordered replica takes requests."""

_PULLING = (1, 8, 40, 80, 160)
_NODE_GBIT_S, _STORE_GBIT_S = 10.0, 25.0
"""Assumptions: the network of a node, and that of the model store."""


def simulated(typists: int) -> dict[str, object]:
    """Return everything that the report needs."""
    rows: list[dict[str, object]] = []
    for variant in variants():
        curve, points = curve_of(variant)
        most = curve.typists_within(MOST_P95_MS)
        rows.append(
            {
                "name": variant.name,
                "typists": most,
                "planned": planned(most),
                "in_flight": curve.value("in_flight", most),
                "points": [asdict(point) for point in points] if not rows else [],
            }
        )
        sys.stderr.write(f"{variant.name}: {most} typists\n")
    usual, _ = curve_of(variants()[0])
    each = planned(usual.typists_within(MOST_P95_MS))
    days = {}
    for name, scaling in policies(usual, typists).items():
        moments = list(play(day(typists), usual, scaling))
        days[name] = {
            "day": summary(moments),
            "hours": by_hour(moments),
            "through_the_day": _course(moments[::600]),
            "through_the_surge": _course(moments[SURGE_S - 300 : SURGE_S + 1500 : 10]),
        }
    return {
        "typists": typists,
        "most_p95_ms": MOST_P95_MS,
        "gpu_hour_usd": GPU_HOUR_USD,
        "engine_start_s": ENGINE_START_S,
        "speed": asdict(H200_7B),
        "compared": [asdict(one) | {"error": one.error} for one in _compared()],
        "replica": rows,
        "routes": [
            row | {"typists_each": each}
            for each, counts in _ROUTED
            for row in routes_of(each, counts)
        ],
        "days": days,
        "warm": [
            dict(zip(("before", "warm"), found, strict=True)) | {"delay_s": delay_s}
            for delay_s in _DELAYS_S
            for found in [warm_replicas(typists, each, delay_s=delay_s)]
        ],
        "pulls": [
            {
                "replicas": count,
                "seconds": pull_s(
                    count, store_gbit_s=_STORE_GBIT_S, node_gbit_s=_NODE_GBIT_S
                ),
            }
            for count in _PULLING
        ],
    }


def _compared() -> Iterator[Compared]:
    """Yield what was measured of raw vLLM, and of Midfill where that was."""
    yield from compare(H200_7B)
    for path in sorted(_RESULTS.glob("load_h200_*.json")):
        result = json.loads(path.read_bytes())
        yield from compare_load(result, H200_7B, server_ms=SERVER_MS)


def _course(moments: Sequence[Moment]) -> dict[str, object]:
    """Return what is drawn."""
    return {
        "hour": [round(each.at_s / 3600, 4) for each in moments],
        "ready": [each.ready for each in moments],
        "p95_ms": [round(each.p95_ms) for each in moments],
    }


def main(words: Sequence[str] | None = None) -> int:
    """Simulate, write result, plots and tables, and return the exit status."""
    parser = argparse.ArgumentParser(description="GPUs for many typists, simulated.")
    add = parser.add_argument
    add("--typists", type=int, default=10_000, help="who type at the busiest moment")
    add("--out", type=Path, default=_RESULTS / "capacity.json")
    add("--images", type=Path, default=_ROOT / "docs" / "images")
    add("--write-docs", action="store_true", help="put the tables into the page")
    arguments = parser.parse_args(words)
    result = {
        "benchmark": "capacity",
        **circumstances(),
        **simulated(arguments.typists),
    }
    write_result(arguments.out, result)
    print(report(result))
    draw_replica(result, arguments.images / "capacity_replica.svg")
    draw_day(result, arguments.images / "capacity_day.svg")
    if arguments.write_docs:
        write_into(_ROOT / "docs" / "capacity.md", result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
