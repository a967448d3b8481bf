"""Judges answers; only whether a test passes is found out elsewhere."""

from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.values import CompletionScope, FinishReason
from training.eval.extent import Boundary
from training.eval.similarity import agreeing_chars, edit_similarity
from training.eval.values import Answer, Extent, Score, Task, View

__all__ = ["program_of", "score_answer", "score_shown"]


def score_answer(task: Task, view: View, answer: Answer) -> Score:
    """Judge what a model wrote, cut where what was asked for ends."""
    boundary = Boundary(task)
    completion = boundary.cut(answer.text)
    return _score(task, view, completion, stops=boundary.stops(answer))


def score_shown(task: Task, answer: Answer) -> Score:
    """Judge what the server would show of what a model wrote.

    Where that is nothing, the empty text is judged. ``stops`` stays the model's.
    """
    boundary = Boundary(task)
    is_complete = answer.has_ended or boundary.is_passed(answer.text)
    outcome = postprocess(
        answer.text,
        CursorContext.of(task.snapshot),
        _scope_of(task),
        finish_reason=FinishReason.STOP if is_complete else FinishReason.LENGTH,
    )
    return _score(task, View.SHOWN, outcome.text or "", stops=boundary.stops(answer))


def program_of(task: Task, completion: str) -> str:
    """Give the program that tells whether a completion solves a task with a test.

    A line that was cut at its end gets the line end of the missing text back.
    """
    is_line = task.extent is Extent.LINE and task.middle.endswith("\n")
    end = "\n" if is_line else ""
    return f"{task.prefix}{completion}{end}{task.suffix}\n{task.test or ''}"


def _scope_of(task: Task) -> CompletionScope:
    if task.extent is Extent.LINE:
        return CompletionScope.LINE
    return CompletionScope.BLOCK


def _score(task: Task, view: View, completion: str, *, stops: bool) -> Score:
    said, missing = completion.strip(), task.middle.strip()
    return Score(
        task_id=task.task_id,
        category=task.category,
        group=task.group,
        view=view,
        completion=completion,
        exact=said == missing,
        similarity=edit_similarity(said, missing),
        stops=stops,
        kept_chars=agreeing_chars(completion, task.middle),
        suggested_chars=len(completion),
    )
