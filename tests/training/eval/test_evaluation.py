"""A model is asked, judged and tested, and its engine ends."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from lsp_server.config import EngineConfig, PromptConfig
from lsp_server.engine.base import Engine
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.engine_values import EngineState
from lsp_server.errors import EngineDeadError, EvaluationError
from training.eval import sandbox
from training.eval.evaluation import Outcome, StartEngine, evaluate
from training.eval.model import EvaluatedModel
from training.eval.suites import read_human_eval
from training.eval.values import Extent, Task, View
from training.progress import LineProgress

WriteLines = Callable[[str, Sequence[object]], Path]


async def outcome_of(
    model: EvaluatedModel, tasks: Sequence[Task], start_engine: StartEngine
) -> Outcome:
    """What comes of the tasks on such an engine."""
    return await evaluate(
        model,
        tasks,
        engine_config=EngineConfig(),
        prompt_config=PromptConfig(),
        progress=LineProgress(io.StringIO()),
        start_engine=start_engine,
    )


async def test_tests_decide(
    model: EvaluatedModel,
    write_lines: WriteLines,
    rows: Sequence[Mapping[str, str]],
    answer_with: Callable[[str], StartEngine],
) -> None:
    """Another text than the missing one passes, if it does what the test asks for."""
    tasks, _ = read_human_eval([write_lines("a.gz", rows[:2])], limit=None, seed=0)
    outcome = await outcome_of(model, tasks, answer_with("    return x + x\n"))
    assert [
        ("SingleLineInfilling/HumanEval/0/L0", View.WITH_SUFFIX, False, True, True),
        ("SingleLineInfilling/HumanEval/2/L0", View.WITH_SUFFIX, False, True, True),
        ("SingleLineInfilling/HumanEval/0/L0", View.NO_SUFFIX, False, True, True),
        ("SingleLineInfilling/HumanEval/2/L0", View.NO_SUFFIX, False, True, True),
    ] == [
        (each.task_id, each.view, each.exact, each.passed, each.stops)
        for each in outcome.scores
    ]
    assert "scripted" == outcome.engine.name


async def test_sandbox_that_cannot_work(
    model: EvaluatedModel,
    write_lines: WriteLines,
    rows: Sequence[Mapping[str, str]],
    answer_with: Callable[[str], StartEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where no program can be limited, none counts as failed: there is an error."""
    path = write_lines("a.gz", rows)
    child = path.with_name("child.py")
    child.write_text("import os\nos._exit(3)\n")
    monkeypatch.setattr(sandbox, "_CHILD", child)
    tasks, _ = read_human_eval([path], limit=None, seed=0)
    with pytest.raises(EvaluationError, match="sandbox"):
        await outcome_of(model, tasks, answer_with("x"))


async def test_wrong_answer_fails_its_test(
    model: EvaluatedModel,
    write_lines: WriteLines,
    rows: Sequence[Mapping[str, str]],
    answer_with: Callable[[str], StartEngine],
) -> None:
    """An answer for one task is wrong for the other."""
    tasks, _ = read_human_eval([write_lines("a.gz", rows[:2])], limit=None, seed=0)
    outcome = await outcome_of(model, tasks, answer_with("    y = 2\n"))
    with_suffix = [each for each in outcome.scores if each.view is View.WITH_SUFFIX]
    assert [(False, False), (True, True)] == [
        (each.exact, each.passed) for each in with_suffix
    ]


async def test_without_tests_filters_are_judged(
    model: EvaluatedModel,
    make_task: Callable[..., Task],
    answer_with: Callable[[str], StartEngine],
) -> None:
    """Where there is no test, what the server would show is judged too."""
    task = make_task(prefix="print(", middle="total", suffix=")\n", extent=Extent.LINE)
    outcome = await outcome_of(model, [task], answer_with("total)"))
    assert [
        (View.WITH_SUFFIX, False, None),
        (View.NO_SUFFIX, False, None),
        (View.SHOWN, True, None),
    ] == [(each.view, each.exact, each.passed) for each in outcome.scores]


@pytest.mark.parametrize("die_after", [0, 1])
async def test_engine_ends(
    model: EvaluatedModel, make_task: Callable[..., Task], die_after: int
) -> None:
    """The engine is closed when all is done, and when something fails."""
    engines: list[ScriptedEngine] = []

    async def start(_model: EvaluatedModel, _config: EngineConfig) -> Engine:
        ids = model.tokenizer.encode("a b c")
        script = Script(answer_ids=ids, die_after_requests=die_after)
        engines.append(ScriptedEngine(script))
        return engines[0]

    if die_after:
        with pytest.raises(EngineDeadError):
            await outcome_of(model, [make_task()], start)
    else:
        await outcome_of(model, [make_task()], start)
    assert EngineState.CLOSED is (await engines[0].health()).state
