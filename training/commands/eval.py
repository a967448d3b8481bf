"""``midfill eval``: measure models on the same tasks, with and without the suffix."""

import argparse
from pathlib import Path

from lsp_server.commands.terminal import positive

__all__ = ["add_arguments", "run"]

_SUITES = ("human-eval-infilling", "replay")


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
    """Evaluate, print the results, and return the exit status.

    Raises:
        UnavailableError: What measures models is not installed.
        MidfillError: A model, the data or the folder for results is unsuitable, or an
            evaluation failed.
    """
    # Here, as it needs an extra, without which the help can be read.
    from training.eval.command import run_with  # noqa: PLC0415

    return run_with(arguments)
