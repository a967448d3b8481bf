"""How sure the model is, and how often it is right: thresholds for `confidence`.

Run it with ``python -m benchmarks.calibration``; ``--help`` lists the options.

The real engine writes the missing text of held-out Python at drawn cursors, as the
server has it written: its prompt, its stop rule, its candidates. Each token's
probability is kept, so every gate is tried on the same texts afterwards, with the
server's own code, filters included, and where the server ends a suggestion that comes
by itself: with the statement, or the block that it opens. What is kept can be read
again (``--tape``), without an engine. `calibration_languages` does so in others.

Floors are chosen on one half of the cursors, drawn by the seed: for each level the
lowest one at which enough of what is shown is right. The other half says what they are
worth.
"""

import argparse
import asyncio
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.calibration_figures import draw_curves, summarise
from benchmarks.calibration_gates import Playback
from benchmarks.calibration_tape import read_tapes, record, write_tapes
from benchmarks.figures import circumstances, write_result
from lsp_server.config import (
    SHIPPED_MODEL,
    CompletionConfig,
    Device,
)
from lsp_server.service.loaded_model import LoadedModel, load_model
from training.eval.data import canonical_name
from training.eval.model import trained_packages
from training.eval.suites import read_human_eval, read_replay
from training.eval.values import Task

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = (
    *("anyio", "click", "flask", "httpx", "jinja2", "jsonschema", "networkx"),
    *("packaging", "rich", "websockets", "werkzeug", "charset_normalizer"),
    *("detect_secrets", "distlib", "fsspec", "httpcore", "loguru", "platformdirs"),
    "pygls",
)
"""Installed packages; asked in are those whose code the model was not trained on."""


def _packages(model: LoadedModel) -> list[str]:
    """Return the packages that the model was not trained on."""
    trained = trained_packages(model.folder) or frozenset()
    names = [name for name in _PACKAGES if canonical_name(name) not in trained]
    if not names:
        raise SystemExit("the model was trained on every package that is asked in here")
    return names


def _tasks(
    arguments: argparse.Namespace, packages: Sequence[str]
) -> dict[str, list[Task]]:
    """Draw the cursors of each suite."""
    folders = []
    for name in packages:
        found = importlib.util.find_spec(name)
        if found is None or not found.submodule_search_locations:
            raise SystemExit(f"the package {name} is not installed")
        folders.append(Path(found.submodule_search_locations[0]))
    replay, _ = read_replay(
        [], folders, CompletionConfig(), limit=arguments.tasks, seed=arguments.seed
    )
    suites = {"replay": replay}
    if arguments.human_eval is not None:
        lines, _ = read_human_eval(
            [arguments.human_eval], limit=arguments.tasks // 2, seed=arguments.seed
        )
        suites["HumanEval"] = [t for t in lines if t.category == "single-line"]
    return suites


async def _run(arguments: argparse.Namespace) -> None:
    began = circumstances()
    packages = _packages(load_model(arguments.model, Device.CPU))
    suites = _tasks(arguments, packages)
    if arguments.tape is not None and arguments.tape.is_file():
        began, tapes = read_tapes(arguments.tape)
    else:
        tapes = await record(arguments.model, suites, device=Device.CPU, candidates=3)
        if arguments.tape is not None:
            write_tapes(arguments.tape, began, tapes)
    by_id = {task.task_id: task for tasks in suites.values() for task in tasks}
    tokenizer = load_model(arguments.model, Device.CPU).tokenizer
    playback = Playback(tokenizer, CompletionConfig())
    result = {
        "benchmark": "calibration",
        **began,
        "model": arguments.model,
        "seed": arguments.seed,
        "packages": packages,
        **await summarise(playback, tapes, by_id, seed=arguments.seed),
    }
    write_result(arguments.out, result)
    draw_curves(result, arguments.picture)


def main(words: Sequence[str] | None = None) -> int:
    """Record, try the gates, print tables, and write result and picture."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration",
        description="Compare how sure the model is with how often it is right.",
    )
    add = parser.add_argument
    add("--model", default=SHIPPED_MODEL)
    add("--tasks", type=int, default=480, help="cursors in the replay")
    add("--human-eval", type=Path, help="a folder of HumanEval-Infilling")
    add("--seed", type=int, default=0)
    add("--tape", type=Path, help="keeps what the engine wrote, or has kept it")
    add("--out", type=Path, default=_ROOT / "benchmarks/results/calibration.json")
    add("--picture", type=Path, default=_ROOT / "docs/completion/confidence.svg")
    asyncio.run(_run(parser.parse_args(words)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
