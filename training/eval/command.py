"""Measures models with the options of ``midfill eval``, and prints the results."""

import argparse
import asyncio
import datetime
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from lsp_server.config import Config, LogLevel
from lsp_server.engine.vllm_build import choose_device
from lsp_server.errors import EvaluationError
from lsp_server.hardware import read_cpu
from lsp_server.modelstore.verify import hash_file
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging
from training.eval.evaluation import Outcome, StartEngine, evaluate, start_vllm
from training.eval.machine import choose_precision, describe_machine
from training.eval.model import (
    EvaluatedModel,
    load_evaluated_model,
    parse_model_argument,
)
from training.eval.report import Report, make_report
from training.eval.results import prepare_folder, write_results
from training.eval.suites import read_human_eval, read_replay
from training.eval.values import Task
from training.progress import Progress, progress_on

__all__ = ["run_with"]

_REPLAY = "replay"


def run_with(
    arguments: argparse.Namespace, start_engine: StartEngine = start_vllm
) -> int:
    """Evaluate on engines that ``start_engine`` starts.

    Models, data and the output folder are checked before the first engine starts.

    Raises:
        MidfillError: One of them is unsuitable, or an evaluation failed.
    """
    # The engine's warnings would interrupt the display of progress.
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    configure_logging(LogLevel.ERROR, sys.stderr)
    progress = progress_on(sys.stderr)
    try:
        report = _evaluate_all(arguments, progress, start_engine)
    finally:
        progress.close()
    values, table = make_report(report)
    sys.stdout.write(json.dumps(values, indent=1) + "\n" if arguments.json else table)
    return 0


def _evaluate_all(
    arguments: argparse.Namespace, progress: Progress, start_engine: StartEngine
) -> Report:
    resolved = resolve(server_layers(arguments.config))
    for problem in resolved.problems:
        progress.say(str(problem))
    config = resolved.config
    if arguments.out is not None:
        prepare_folder(arguments.out)
    tasks, data = _read_tasks(arguments, config)
    models = _load(arguments, config)
    # The machine is described first: the checkout may change in the hours that follow.
    report = Report(
        suite=arguments.suite,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        seed=arguments.seed,
        data=data,
        packages=tuple(task.package for task in tasks),
        machine=describe_machine(),
        outcomes=(),
    )
    # One after the other, since an engine takes the whole machine.
    for model in models:
        outcome = _evaluate(model, tasks, config, progress, start_engine)
        report = replace(report, outcomes=(*report.outcomes, outcome))
        if arguments.out is not None:
            # Kept even if a later model fails.
            write_results(arguments.out, report)
    return report


def _read_tasks(
    arguments: argparse.Namespace, config: Config
) -> tuple[list[Task], dict[str, str]]:
    """Return the tasks, and the hash of each source by its name."""
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


def _load(arguments: argparse.Namespace, config: Config) -> list[EvaluatedModel]:
    device = choose_device(config.engine.device)
    named = [arguments.model or config.model.path, *arguments.baseline]
    models = [
        load_evaluated_model(parse_model_argument(each), device) for each in named
    ]
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise EvaluationError(
                "two models have this name",
                subject=name,
                remedy="give each a name of its own, as in NAME=FOLDER",
            )
    return models


def _evaluate(
    model: EvaluatedModel,
    tasks: Sequence[Task],
    config: Config,
    progress: Progress,
    start_engine: StartEngine,
) -> Outcome:
    device = choose_device(config.engine.device)
    return asyncio.run(
        evaluate(
            model,
            tasks,
            engine_config=choose_precision(
                model, config.engine, device=device, cpu_flags=read_cpu().flags
            ),
            prompt_config=config.prompt,
            progress=progress,
            start_engine=start_engine,
        )
    )
