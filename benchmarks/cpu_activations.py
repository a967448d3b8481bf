"""What 8-bit activations save on a CPU: the demo with them and without, in turns.

Run it with ``python -m benchmarks.cpu_activations``; ``--help`` lists the options.

Each round starts the server twice, in an order that a coin decides, and completes at
the cursors of ``midfill demo``: once as the server is, and once with
``VLLM_CPU_INT4_W4A8=0``, which keeps activations at 16 bits. Prompts are new to the
engine. On a CPU that has neither AMX nor AVX-512 VNNI both are the same.
"""

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures import circumstances, median, table, write_result

__all__ = ["main"]

_RESULTS = Path(__file__).resolve().parent / "results"
_SWITCH = "VLLM_CPU_INT4_W4A8"
_SETTINGS: Mapping[str, str] = {"W4A8": "1", "W4A16": "0"}
_TIMES = ("ttft_ms", "total_ms")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write the result."""
    options = _parser().parse_args(arguments)
    chance = random.Random(options.seed)  # noqa: S311 - an experiment's seed
    began = circumstances()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in _SETTINGS}
    for number in range(options.rounds):
        order = chance.sample(sorted(_SETTINGS), len(_SETTINGS))
        for name in order:
            sys.stderr.write(f"round {number + 1} of {options.rounds}: {name}\n")
            found[name] += _demo(_SETTINGS[name])
    medians = {
        name: {key: median([each[key] for each in answers]) for key in _TIMES}
        for name, answers in found.items()
    }
    ratios = {
        key: round(medians["W4A16"][key] / medians["W4A8"][key], 2) for key in _TIMES
    }
    head = ("activations", *(f"{key} p50" for key in _TIMES))
    rows = [
        *((n, *(f"{each[key]:.0f}" for key in _TIMES)) for n, each in medians.items()),
        ("ratio", *(f"{ratios[key]:.2f}" for key in _TIMES)),
    ]
    print(table(head, rows))
    result = {"benchmark": "cpu_activations", **began, "rounds": options.rounds}
    write_result(
        options.out, {**result, "p50": medians, "ratio": ratios, "completions": found}
    )
    return 0


def _demo(switch: str) -> list[dict[str, float]]:
    """Return the times and tokens of each of the demo's completions."""
    done = subprocess.run(
        [sys.executable, "-m", "lsp_server", "demo", "--json"],
        env={**os.environ, _SWITCH: switch},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    keys = (*_TIMES, "prompt_tokens", "cached_tokens", "output_tokens")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return [{key: answer[key] for key in keys} for answer in answers]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cpu_activations",
        description="Compare 8-bit and 16-bit activations at the demo's cursors.",
    )
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="starts of each (default: %(default)s)")
    add("--seed", type=int, default=0, help="decides the order (default: %(default)s)")
    add(
        "--out",
        type=Path,
        default=_RESULTS / "cpu_activations.json",
        help="file to write (default: in benchmarks/results)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
