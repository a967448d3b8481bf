"""``midfill eval``: how good is a model, beside others and beside itself?"""

import argparse
import asyncio
import datetime
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lsp_server.commands.terminal import positive
from lsp_server.config import Config, LogLevel
from lsp_server.engine.vllm_build import choose_device
from lsp_server.errors import EvaluationError
from lsp_server.modelstore.verify import hash_file
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging
from training.eval.contender import Contender, load_contender, parse_entrant
from training.eval.evaluation import Outcome, StartEngine, evaluate, start_vllm
from training.eval.human_eval import read_human_eval
from training.eval.machine import look_around
from training.eval.precision import read_cpu, settle_precision
from training.eval.progress import Progress
from training.eval.replay import read_replay
from training.eval.report import Report, make_report
from training.eval.results import prepare_folder, write_results
from training.eval.values import Task

__all__ = ["add_arguments", "run", "run_with"]

_REPLAY = "replay"
_SUITES = ("human-eval-infilling", _REPLAY)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("--suite", required=True, choices=_SUITES, help="the tasks")
    add(
        "--model",
        default="",
        metavar="FOLDER",
        help="a model folder or a shipped model's name, with :FAMILY behind a folder "
        "without a manifest (default: the setting model.path)",
    )
    add(
        "--baseline",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="a model to compare with, likewise; may be given several times",
    )
    add(
        "--data",
        action="extend",
        nargs="+",
        type=Path,
        default=[],
        metavar="PATH",
        help="files of the benchmark or held-out files of a corpus, or their folder",
    )
    add(
        "--source",
        action="extend",
        nargs="+",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="for replay: folders with Python files, such as a project of yours",
    )
    add(
        "--limit",
        type=positive,
        metavar="N",
        help="draw N tasks: of each set (default: all), or in all for replay "
        "(default: 200)",
    )
    add("--seed", type=int, default=0, metavar="S", help="of draws (default: 0)")
    add("--out", type=Path, metavar="FOLDER", help="write results to this folder")
    add("--json", action="store_true", help="print JSON instead of a table")
    add("--config", type=Path, metavar="FILE", help="a TOML file with settings")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, print what came out, and give the exit status."""
    return run_with(arguments, start_vllm)


def run_with(arguments: argparse.Namespace, start_engine: StartEngine) -> int:
    """Evaluate on engines of this kind.

    Everything that can be wrong with models, data and folder is found before the first
    engine starts.

    Raises:
        MidfillError: Something is.
    """
    # The engine's own warnings would come between the lines of progress.
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    configure_logging(LogLevel.ERROR, sys.stderr)
    progress = Progress(sys.stderr)
    resolved = resolve(server_layers(arguments.config))
    for problem in resolved.problems:
        progress.say(str(problem))
    config = resolved.config
    if arguments.out is not None:
        prepare_folder(arguments.out)
    tasks, data = _read_tasks(arguments, config)
    contenders = _load(arguments, config)
    # Before the hours in which somebody may commit something else.
    report = Report(
        suite=arguments.suite,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        seed=arguments.seed,
        data=data,
        packages=tuple(task.package for task in tasks),
        circumstances=look_around(),
        outcomes=(),
    )
    # One after the other: an engine fills the machine.
    for contender in contenders:
        outcome = _evaluate(contender, tasks, config, progress, start_engine)
        report = replace(report, outcomes=(*report.outcomes, outcome))
        if arguments.out is not None:
            # What is measured is kept, even if a later model fails.
            write_results(arguments.out, report)
    values, table = make_report(report)
    sys.stdout.write(json.dumps(values, indent=1) + "\n" if arguments.json else table)
    return 0


def _read_tasks(
    arguments: argparse.Namespace, config: Config
) -> tuple[list[Task], dict[str, str]]:
    """Draw the tasks, and hash what they come from."""
    limit, seed = arguments.limit, arguments.seed
    if arguments.suite == _REPLAY:
        return read_replay(
            arguments.data,
            arguments.source,
            config.completion,
            limit=limit,
            seed=seed,
        )
    if arguments.source:
        raise EvaluationError(
            "this suite has its own tasks",
            subject="--source",
            remedy=f"leave it out, or choose --suite {_REPLAY}",
        )
    tasks, files = read_human_eval(arguments.data, limit=limit, seed=seed)
    return tasks, {path.name: hash_file(path) for path in files}


def _load(arguments: argparse.Namespace, config: Config) -> list[Contender]:
    device = choose_device(config.engine.device)
    named = [arguments.model or config.model.path, *arguments.baseline]
    contenders = [load_contender(parse_entrant(each), device) for each in named]
    names = [contender.name for contender in contenders]
    for name in names:
        if names.count(name) > 1:
            raise EvaluationError(
                "two models have this name",
                subject=name,
                remedy="give them names of their own, as in NAME=FOLDER",
            )
    return contenders


def _evaluate(
    contender: Contender,
    tasks: Sequence[Task],
    config: Config,
    progress: Progress,
    start_engine: StartEngine,
) -> Outcome:
    device = choose_device(config.engine.device)
    return asyncio.run(
        evaluate(
            contender,
            tasks,
            engine_config=settle_precision(
                contender, config.engine, device=device, cpu=read_cpu()
            ),
            prompt_config=config.prompt,
            progress=progress,
            start_engine=start_engine,
        )
    )
