"""Evaluates one model on a list of tasks: generates, scores, and runs the tests."""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from lsp_server.config import Dtype, EngineConfig, PromptConfig
from lsp_server.engine.base import Engine
from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.engine_values import EngineInfo
from lsp_server.values import Prompt
from training.eval.generation import (
    Question,
    TaskPrompts,
    answer_all,
    map_concurrently,
)
from training.eval.model import EvaluatedModel
from training.eval.sandbox import Limits, runs_to_end
from training.eval.scoring import Boundary, program_of, score_answer, score_shown
from training.eval.values import Answer, Score, Task, View
from training.progress import Progress

__all__ = ["Outcome", "StartEngine", "evaluate", "start_vllm"]

StartEngine = Callable[[EvaluatedModel, EngineConfig], Awaitable[Engine]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The results of one model.

    Attributes:
        model: The model.
        engine: The engine that it ran on.
        dtype: The precision that was asked for.
        scores: A score for each task and view, in the tasks' order.
    """

    model: EvaluatedModel
    engine: EngineInfo
    dtype: Dtype
    scores: tuple[Score, ...]


async def start_vllm(model: EvaluatedModel, config: EngineConfig) -> Engine:
    """Start vLLM as the server does.

    Raises:
        MidfillError: It cannot start with this model.
    """
    return await VllmEngine.start(
        config,
        model_folder=model.folder,
        context_length=model.context_length,
        quantization=model.method,
    )


async def evaluate(
    model: EvaluatedModel,
    tasks: Sequence[Task],
    *,
    engine_config: EngineConfig,
    prompt_config: PromptConfig,
    progress: Progress,
    start_engine: StartEngine = start_vllm,
) -> Outcome:
    """Evaluate one model; its engine has ended when this returns.

    Tests run only afterwards, so that programs and engine do not slow each other.
    What the server would show is scored for the tasks without a test.

    Raises:
        MidfillError: The model, the engine or the sandbox fails.
    """
    progress.say(f"{model.name}: starting the engine")
    prompts = TaskPrompts(
        tokenizer=model.tokenizer,
        family=model.family,
        config=prompt_config,
        max_model_len=engine_config.max_model_len or model.context_length,
    )
    engine = await start_engine(model, engine_config)
    try:
        info = engine.info
        answers = {
            view: await _generate(
                engine,
                model,
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
        for view, of_view in answers.items()
        for task, answer in zip(tasks, of_view, strict=True)
    ]
    scores += [
        score_shown(task, answer)
        for task, answer in zip(tasks, answers[View.WITH_SUFFIX], strict=True)
        if task.test is None
    ]
    tested = await _run_tests(model, tasks, scores, progress)
    return Outcome(
        model=model,
        engine=info,
        dtype=engine_config.dtype,
        scores=tuple(tested),
    )


async def _generate(
    engine: Engine,
    model: EvaluatedModel,
    tasks: Sequence[tuple[Task, Prompt]],
    *,
    stage: str,
    progress: Progress,
) -> list[Answer]:
    questions = [
        Question(
            prompt=prompt,
            max_tokens=task.max_tokens,
            is_complete=Boundary(task).is_reached,
        )
        for task, prompt in tasks
    ]
    count = _counter(progress, f"{model.name}, {stage}", len(tasks))
    return await answer_all(engine, model.tokenizer, questions, on_answer=count)


async def _run_tests(
    model: EvaluatedModel,
    tasks: Sequence[Task],
    scores: Sequence[Score],
    progress: Progress,
) -> list[Score]:
    """Run each distinct program that has a test, one per CPU at a time.

    Returns:
        The scores, and whether they passed.
    """
    by_id = {task.task_id: task for task in tasks if task.test is not None}
    programs = {
        (score.task_id, score.view): program_of(by_id[score.task_id], score.completion)
        for score in scores
        if score.task_id in by_id
    }
    if not programs:
        return list(scores)
    distinct = list(dict.fromkeys(programs.values()))
    count = _counter(progress, f"{model.name}, tests", len(distinct))

    async def run(_number: int, program: str) -> bool:
        passed = await asyncio.to_thread(runs_to_end, program, Limits())
        count()
        return passed

    cores = len(os.sched_getaffinity(0))
    results = await map_concurrently(distinct, run, limit=cores)
    passed = dict(zip(distinct, results, strict=True))
    return [
        replace(score, passed=passed[program])
        if (program := programs.get((score.task_id, score.view))) is not None
        else score
        for score in scores
    ]


def _counter(progress: Progress, work: str, total: int) -> Callable[[], None]:
    """Show that ``work`` begins, and return what shows one more part as done."""
    done = itertools.count(1)
    progress.step(work, 0, total)
    return lambda: progress.step(work, next(done), total)
