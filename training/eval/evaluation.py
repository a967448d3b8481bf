"""Takes one model through a list of tasks: ask, judge, and run the tests."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from lsp_server.config import Dtype, EngineConfig, PromptConfig
from lsp_server.engine.base import Engine
from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.values import EngineInfo, Prompt
from training.eval.contender import Contender
from training.eval.extent import Boundary
from training.eval.generation import Question, answer_all
from training.eval.progress import Progress
from training.eval.prompts import TaskPrompts
from training.eval.sandbox import Limits, runs_to_end
from training.eval.scoring import program_of, score_answer, score_shown
from training.eval.side_by_side import side_by_side
from training.eval.values import Answer, Score, Task, View

__all__ = ["Outcome", "StartEngine", "evaluate", "start_vllm"]

StartEngine = Callable[[Contender, EngineConfig], Awaitable[Engine]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that came of one model.

    Attributes:
        contender: The model.
        engine: What it ran on.
        dtype: What it was computed in, as it was asked for.
        scores: A score for each task and view, in the tasks' order.
    """

    contender: Contender
    engine: EngineInfo
    dtype: Dtype
    scores: tuple[Score, ...]


async def start_vllm(contender: Contender, config: EngineConfig) -> Engine:
    """Start the real engine, as the server does.

    Raises:
        MidfillError: It cannot start with this model.
    """
    return await VllmEngine.start(
        config,
        model_folder=contender.folder,
        context_length=contender.context_length,
        quantization=contender.method,
    )


async def evaluate(
    contender: Contender,
    tasks: Sequence[Task],
    *,
    engine_config: EngineConfig,
    prompt_config: PromptConfig,
    progress: Progress,
    start_engine: StartEngine = start_vllm,
) -> Outcome:
    """Measure one model; its engine has ended when this returns.

    Tests run only after that, so that programs and engine do not slow each other.
    What the server would show is judged for the tasks without a test.

    Raises:
        MidfillError: The model, the engine or the sandbox fails.
    """
    progress.say(f"{contender.name}: starting the engine")
    prompts = TaskPrompts(
        tokenizer=contender.tokenizer,
        family=contender.family,
        config=prompt_config,
        max_model_len=engine_config.max_model_len or contender.context_length,
    )
    engine = await start_engine(contender, engine_config)
    try:
        info = engine.info
        answers = {
            view: await _ask(
                engine,
                contender,
                [(task, build(task)) for task in tasks],
                stage=view.value,
                progress=progress,
            )
            for view, build in (
                (View.WITH_SUFFIX, prompts.with_suffix),
                (View.NO_SUFFIX, prompts.no_suffix),
            )
        }
    finally:
        await engine.close()
    scores = [
        score_answer(task, view, answer)
        for view, given in answers.items()
        for task, answer in zip(tasks, given, strict=True)
    ]
    scores += [
        score_shown(task, answer)
        for task, answer in zip(tasks, answers[View.WITH_SUFFIX], strict=True)
        if task.test is None
    ]
    tested = await _run_tests(contender, tasks, scores, progress)
    return Outcome(
        contender=contender,
        engine=info,
        dtype=engine_config.dtype,
        scores=tuple(tested),
    )


async def _ask(
    engine: Engine,
    contender: Contender,
    tasks: Sequence[tuple[Task, Prompt]],
    *,
    stage: str,
    progress: Progress,
) -> list[Answer]:
    questions = [
        Question(
            prompt=prompt,
            max_tokens=task.max_tokens,
            is_passed=Boundary(task).is_passed,
        )
        for task, prompt in tasks
    ]
    progress.begin(f"{contender.name}, {stage}", len(tasks))
    return await answer_all(
        engine, contender.tokenizer, questions, answered=progress.step
    )


async def _run_tests(
    contender: Contender,
    tasks: Sequence[Task],
    scores: Sequence[Score],
    progress: Progress,
) -> list[Score]:
    """Run each different program that has a test, as many at a time as there are CPUs.

    Returns:
        The scores, and whether they passed.
    """
    by_id = {task.task_id: task for task in tasks if task.test is not None}
    programs = {
        (score.task_id, score.view): program_of(by_id[score.task_id], score.completion)
        for score in scores
        if score.task_id in by_id
    }
    distinct = list(dict.fromkeys(programs.values()))
    progress.begin(f"{contender.name}, tests", len(distinct))

    async def run(_number: int, program: str) -> bool:
        passed = await asyncio.to_thread(runs_to_end, program, Limits())
        progress.step()
        return passed

    cores = len(os.sched_getaffinity(0))
    verdicts = await side_by_side(distinct, run, at_once=cores)
    passed = dict(zip(distinct, verdicts, strict=True))
    return [
        replace(score, passed=passed[program])
        if (program := programs.get((score.task_id, score.view))) is not None
        else score
        for score in scores
    ]
