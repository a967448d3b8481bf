"""How sure the model is, and how often it is right, in languages other than Python.

Run it with ``python -m benchmarks.calibration_languages``; ``--help`` has its options.

It goes on as `calibration` does, with one candidate at each cursor, in real files of
packages that the shipped model has not seen (`calibration_sources`): pieces of lines,
rests of lines and blocks of lines are missing, not within comments. Each language has
floors of its own; all of them together have those for the rest of the languages.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.calibration_figures import (
    LEVELS,
    floor_for,
    gate_row,
    levels_of,
    shown_at_floors,
)
from benchmarks.calibration_gates import Playback, Shown
from benchmarks.calibration_sources import languages, sources_of, tasks_in
from benchmarks.calibration_tape import read_tapes, record, write_tapes
from benchmarks.figures import circumstances, table, write_result
from lsp_server.config import SHIPPED_MODEL, CompletionConfig, Device
from lsp_server.service.loaded_model import load_model

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[1]
_TOGETHER = "all of them"


async def _run(arguments: argparse.Namespace) -> dict[str, Any]:
    began: dict[str, object] = circumstances()
    cache = arguments.packages.resolve()
    suites = {
        each: tasks_in(each, cache, limit=arguments.tasks, seed=arguments.seed)
        for each in arguments.languages
    }
    if arguments.tape is not None and arguments.tape.is_file():
        began, tapes = read_tapes(arguments.tape)
    else:
        device = Device(arguments.device)
        tapes = await record(arguments.model, suites, device=device, candidates=1)
        if arguments.tape is not None:
            write_tapes(arguments.tape, began, tapes)
    by_id = {task.task_id: task for tasks in suites.values() for task in tasks}
    model = load_model(arguments.model, Device.CPU)
    playback = Playback(model.tokenizer, CompletionConfig())
    found: dict[str, Any] = {}
    together: dict[float, list[Shown]] = {}
    for language_id in suites:
        of_it = [t for t in tapes if t.suite == language_id and t.token_ids]
        at_floor = await shown_at_floors(playback, of_it, by_id)
        for floor, shown in at_floor.items():
            together.setdefault(floor, []).extend(shown)
        found[language_id] = _summary(at_floor, arguments.seed)
    found[_TOGETHER] = _summary(together, arguments.seed)
    return {
        "benchmark": "calibration_languages",
        **began,
        "model": arguments.model,
        "seed": arguments.seed,
        "packages": {
            each: [f"{s.name} {r.version} ({s.licence})" for s, r in sources_of(each)]
            for each in suites
        },
        "languages": found,
    }


def _summary(at_floor: Mapping[float, Sequence[Shown]], seed: int) -> dict[str, Any]:
    """Return a language's floors, of all cursors and of a half, and all rows."""
    rows = {floor: gate_row(floor, shown) for floor, shown in at_floor.items()}
    return {
        "cursors": len(at_floor[0.0]),
        "floors": {level: floor_for(share, rows) for level, share in LEVELS.items()},
        "levels": levels_of(at_floor, seed),
        "gate": list(rows.values()),
    }


def _rows(found: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield the table's lines: each language's floors, and what is shown at them."""
    for language_id, of_it in found.items():
        gate = {row["floor"]: row for row in of_it["gate"]}
        ungated = gate[0.0]
        line = [language_id, str(of_it["cursors"]), f"{ungated['right_share']:.0%}"]
        for level, floor in of_it["floors"].items():
            row = gate[floor]
            kept = row["right_chars"] / max(1, ungated["right_chars"])
            (half,) = (e for e in of_it["levels"] if e["level"] == level)
            line.append(
                f"{floor:g}: {row['right_share']:.0%}, {kept:.0%} ({row['shown']}); "
                f"{half['floor']:g}: {half['right_share']:.0%}"
            )
        yield line


def _draw(result: Mapping[str, Any], path: Path) -> None:
    """Draw how much of what is shown is right at each floor, and how much remains."""
    import matplotlib as mpl  # noqa: PLC0415 - takes a second to import

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "midfill"
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
    colours = plt.get_cmap("tab20")
    for at, (language_id, of_it) in enumerate(result["languages"].items()):
        is_all = language_id == _TOGETHER
        style = {"color": "black"} if is_all else {"color": colours(at)}
        width = 2.4 if is_all else 0.9
        rows = of_it["gate"]
        kept = [row["right_chars"] / rows[0]["right_chars"] for row in rows]
        floors = [row["floor"] for row in rows]
        shares = [row["right_share"] for row in rows]
        left.plot(floors, shares, label=language_id, linewidth=width, **style)
        right.plot(kept, shares, linewidth=width, **style)
    left.set_xlabel("floor of the joint probability")
    left.set_ylabel("share of the characters shown that are right")
    left.legend(fontsize=6, ncols=2)
    right.set_xlabel("share of the right characters that remain")
    right.set_xlim(0, 1.05)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main(words: Sequence[str] | None = None) -> int:
    """Record, try the gate, print a table, and write the result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration_languages",
        description="Compare how sure the model is with how often it is right.",
    )
    add = parser.add_argument
    add("--model", default=SHIPPED_MODEL)
    add("--languages", nargs="+", choices=languages(), default=languages())
    add("--tasks", type=int, default=300, help="cursors in each language")
    add("--seed", type=int, default=0)
    add("--device", choices=[each.value for each in Device], default=Device.CPU.value)
    add("--packages", type=Path, default=_ROOT / ".packages", help="where they are")
    add("--tape", type=Path, help="keeps what the engine wrote, or has kept it")
    out = _ROOT / "benchmarks/results/calibration_languages.json"
    add("--out", type=Path, default=out)
    add("--draw", type=Path, metavar="JSON", help="only draw an earlier result")
    picture = _ROOT / "docs/completion/confidence_languages.svg"
    add("--picture", type=Path, default=picture)
    arguments = parser.parse_args(words)
    if arguments.draw is not None:
        result = json.loads(arguments.draw.read_bytes())
    else:
        result = asyncio.run(_run(arguments))
        write_result(arguments.out, result)
    head = ["language", "cursors", "right", *LEVELS]
    sys.stdout.write(table(head, list(_rows(result["languages"]))) + "\n")
    try:
        _draw(result, arguments.picture)
    except ImportError:
        sys.stderr.write("No picture: matplotlib is not installed here; see --draw.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
