"""The suite ``human-eval-infilling``: gaps in solutions of HumanEval.

The data is not part of Midfill. A task of the single-line set lacks one line of a
solution, one of the random-span sets any piece of it.

Source: Bavarian et al., arXiv 2207.14255; github.com/openai/human-eval-infilling.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from lsp_server.errors import EvaluationError
from training.eval.json_lines import find_files, read_lines, text_of
from training.eval.values import Extent, Task

__all__ = ["read_human_eval"]

_SETS: Mapping[str, tuple[str, Extent, int]] = {
    "SingleLineInfilling": ("single-line", Extent.LINE, 96),
    "RandomSpanInfillingLight": ("random-span-light", Extent.SPAN, 256),
    "RandomSpanInfilling": ("random-span", Extent.SPAN, 256),
    "MultiLineInfilling": ("multi-line", Extent.SPAN, 256),
}
"""Category, extent and the most tokens of an answer, by how a task's id begins.

The longest missing line has 40 tokens of the starter's vocabulary, the longest span of
the light set 120.
"""

_REMEDY = (
    "Name *.jsonl.gz files of github.com/openai/human-eval-infilling, or a folder of "
    "them, with --data"
)


def read_human_eval(
    places: Sequence[Path], *, limit: int | None, seed: int
) -> tuple[list[Task], list[Path]]:
    """Read tasks, at most ``limit`` of each category, which the seed draws.

    Returns:
        The tasks in the order of the files, and those files.

    Raises:
        EvaluationError: There is no data, or it is not of this benchmark.
    """
    files = find_files(places, "*.jsonl.gz", remedy=_REMEDY)
    tasks: dict[str, Task] = {}
    for path in files:
        for row in read_lines(path):
            task = _task(row, path)
            tasks[task.task_id] = task
    if not tasks:
        raise EvaluationError(
            "there is no task in it", subject=str(files[0]), remedy=_REMEDY
        )
    return _drawn(list(tasks.values()), limit, seed), files


def _task(row: Mapping[str, object], path: Path) -> Task:
    task_id = text_of(row, "task_id", path)
    name, _, rest = task_id.partition("/")
    if name not in _SETS:
        raise EvaluationError(
            f"the task {task_id!r} is of no set that Midfill knows",
            subject=str(path),
            remedy=_REMEDY,
        )
    category, extent, max_tokens = _SETS[name]
    entry_point = text_of(row, "entry_point", path)
    return Task(
        task_id=task_id,
        category=category,
        # Benchmark and problem, such as HumanEval/12.
        group="/".join(rest.split("/")[:2]),
        prefix=text_of(row, "prompt", path),
        middle=text_of(row, "canonical_solution", path),
        suffix=text_of(row, "suffix", path),
        extent=extent,
        max_tokens=max_tokens,
        test=f"{text_of(row, 'test', path)}\ncheck({entry_point})\n",
    )


def _drawn(tasks: Sequence[Task], limit: int | None, seed: int) -> list[Task]:
    """Draw from each category, and keep the order."""
    if limit is None:
        return list(tasks)
    kept: set[str] = set()
    for category in dict.fromkeys(task.category for task in tasks):
        ids = [task.task_id for task in tasks if task.category == category]
        rng = random.Random(f"{seed}/{category}")  # noqa: S311 - a sample, no secret
        kept.update(rng.sample(ids, min(limit, len(ids))))
    return [task for task in tasks if task.task_id in kept]
