"""The benchmark's files become tasks."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from lsp_server.errors import EvaluationError
from training.eval.human_eval import read_human_eval
from training.eval.sandbox import Limits, runs_to_end
from training.eval.scoring import program_of
from training.eval.values import Extent

WriteLines = Callable[[str, Sequence[object]], Path]


def test_reads_both_sets(
    write_lines: WriteLines, rows: Sequence[Mapping[str, str]]
) -> None:
    """Sets keep apart; what belongs to one problem is one group."""
    path = write_lines("a.jsonl.gz", rows)
    tasks, files = read_human_eval([path], limit=None, seed=0)
    assert [path] == files
    assert [
        ("single-line", "HumanEval/0", Extent.LINE),
        ("single-line", "HumanEval/2", Extent.LINE),
        ("random-span-light", "HumanEval/0", Extent.SPAN),
    ] == [(task.category, task.group, task.extent) for task in tasks]


def test_the_solution_passes(
    write_lines: WriteLines, rows: Sequence[Mapping[str, str]]
) -> None:
    """Prefix, missing text and suffix pass a task's test, and nothing does not."""
    tasks, _ = read_human_eval([write_lines("a.gz", rows)], limit=None, seed=0)
    for task in tasks:
        right = program_of(task, task.middle.removesuffix("\n"))
        assert runs_to_end(right, Limits())
        assert not runs_to_end(program_of(task, ""), Limits())


def test_limit_draws_from_each_set(
    write_lines: WriteLines, rows: Sequence[Mapping[str, str]]
) -> None:
    """The limit counts for each set; the seed decides, and the order stays."""
    many = [
        {**rows[0], "task_id": f"{name}/HumanEval/{number}/L0"}
        for name in ("SingleLineInfilling", "RandomSpanInfillingLight")
        for number in range(20)
    ]
    path = write_lines("a.jsonl.gz", many)
    drawn = [
        [task.task_id for task in read_human_eval([path], limit=5, seed=seed)[0]]
        for seed in (1, 1, 2)
    ]
    assert 10 == len(drawn[0])
    assert 5 == sum(each.startswith("Single") for each in drawn[0])
    assert drawn[0] == drawn[1] != drawn[2]
    ids = [row["task_id"] for row in many]
    assert drawn[0] == [each for each in ids if each in drawn[0]]


def test_refuses_what_is_no_task(write_lines: WriteLines) -> None:
    """Another benchmark's file, and an empty one, are named."""
    for held in ([{"task_id": "Other/1"}], []):
        path = write_lines("a.jsonl.gz", held)
        with pytest.raises(EvaluationError, match="human-eval-infilling") as caught:
            read_human_eval([path], limit=None, seed=0)
        assert str(path) == caught.value.subject
