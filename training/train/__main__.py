"""``python -m training.train``: trains a model as a TOML file describes it."""

import argparse
import json
import sys
from pathlib import Path

from lsp_server.commands.terminal import positive_number
from lsp_server.errors import MidfillError
from training.eval.suites import read_human_eval
from training.eval.values import Task
from training.train.config import read_config
from training.train.log import Display

__all__ = ["main"]

_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)
    # Worker processes import this module again, and would wait for torch.
    from training.train.loop import RunOptions, train  # noqa: PLC0415  # as above
    from training.train.ranks import this_device  # noqa: PLC0415  # as above

    display = Display(sys.stderr)
    try:
        run = RunOptions(
            config=read_config(options.config, _changes(options)),
            out=options.out,
            device=this_device(),
            minutes=options.minutes,
            pause_minutes=options.pause,
            resume=options.resume,
            weights=options.weights,
            tasks=_tasks(options.tasks),
        )
        train(run, display)
    except MidfillError as exc:
        display.message(f"error: {exc}")
        return 1
    except KeyboardInterrupt:
        display.message("interrupted; --resume continues from the last checkpoint")
        return _INTERRUPTED
    return 0


def _tasks(places: list[Path]) -> list[Task]:
    if not places:
        return []
    tasks, _ = read_human_eval(places, limit=None, seed=0)
    return tasks


def _changes(options: argparse.Namespace) -> list[str]:
    """Return what the options change in the file, as TOML lines."""
    # A text in JSON is one in TOML.
    given = {
        "data.corpus": options.corpus and json.dumps(options.corpus),
        "data.tokenizer": options.tokenizer and json.dumps(options.tokenizer),
        "data.workers": options.workers,
    }
    lines = [f"{key} = {value}" for key, value in given.items() if value is not None]
    return [*options.set, *lines]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.train",
        description="Train a fill-in-the-middle model on the GPU, or a tiny one on the "
        "CPU. Writes the model, a checkpoint, a log and a picture of the losses.",
    )
    add = parser.add_argument
    add("config", type=Path, help="TOML file, such as training/train/starter.toml")
    add("--out", type=Path, required=True, help="folder that the run writes")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting of the file, such as data.apart=true; repeatable",
    )
    add("--resume", action="store_true", help="continue from the checkpoint in --out")
    add(
        "--weights",
        type=Path,
        metavar="MODEL",
        help="folder of a trained model to start from, instead of random weights",
    )
    add(
        "--minutes",
        type=positive_number,
        help="length of the run; the schedule follows it",
    )
    add(
        "--pause",
        type=positive_number,
        help="minutes after which to stop, to resume later",
    )
    add(
        "--tasks",
        type=Path,
        nargs="+",
        default=[],
        metavar="PATH",
        help="files of HumanEval-Infilling that the finished model answers",
    )
    add("--corpus", help="corpus folder, instead of the file's")
    add("--tokenizer", help="tokenizer folder, instead of the file's")
    add("--workers", type=int, help="worker processes, instead of the file's")
    return parser


if __name__ == "__main__":
    sys.exit(main())
