"""Scores answers, except for running their tests."""

from rapidfuzz.distance import Levenshtein

from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.postprocess.scope import scope_end
from lsp_server.values import CompletionScope, FinishReason
from training.eval.values import Answer, Extent, Score, Task, View

__all__ = [
    "Boundary",
    "common_prefix_chars",
    "edit_similarity",
    "program_of",
    "score_answer",
    "score_shown",
]


class Boundary:
    """Finds where the answer to a task ends in the text that a model generates.

    A line ends at the first line end, a block by the server's own rule, and a span
    only with the text.

    Args:
        task: The task.
    """

    def __init__(self, task: Task) -> None:
        self._extent = task.extent
        self._cursor = CursorContext.of(task.snapshot)

    def find(self, text: str) -> int | None:
        """Return the index in ``text`` where the answer ends; None if it goes on."""
        match self._extent:
            case Extent.LINE:
                end = text.find("\n")
                return None if end < 0 else end
            case Extent.BLOCK:
                return scope_end(text, self._cursor, CompletionScope.BLOCK)
            case Extent.SPAN:
                return None

    def is_reached(self, text: str) -> bool:
        """Return whether ``text`` contains the whole answer."""
        return self.find(text) is not None

    def cut(self, text: str) -> str:
        """Return the part of ``text`` that is the answer."""
        return text[: self.find(text)]

    def stops(self, answer: Answer) -> bool:
        """Return whether the model ended its output where the answer ends.

        After a line its line end is allowed, after a block white space.
        """
        if not answer.has_ended:
            return False
        rest = answer.text[len(self.cut(answer.text)) :]
        if self._extent is Extent.LINE:
            return rest in {"", "\n"}
        return not rest.strip()


def edit_similarity(left: str, right: str) -> float:
    """Return 1 minus the edit distance over the longer length: 1 means equal.

    Two empty texts are equal.

    Source: Levenshtein distance with unit costs, counted in code points.
    """
    return Levenshtein.normalized_similarity(left, right)


def common_prefix_chars(suggestion: str, truth: str) -> int:
    """Return the length of the common prefix of both texts, in code points."""
    pairs = zip(suggestion, truth, strict=False)
    differing = (at for at, (one, other) in enumerate(pairs) if one != other)
    return next(differing, min(len(suggestion), len(truth)))


def score_answer(task: Task, view: View, answer: Answer) -> Score:
    """Score a model's text, cut at the end of the answer."""
    boundary = Boundary(task)
    completion = boundary.cut(answer.text)
    return _score(task, view, completion, stops=boundary.stops(answer))


def score_shown(task: Task, answer: Answer) -> Score:
    """Score what the server would show of a model's text.

    If that is nothing, the empty text is scored. ``stops`` is still the model's.
    """
    boundary = Boundary(task)
    is_complete = answer.has_ended or boundary.is_reached(answer.text)
    outcome = postprocess(
        answer.text,
        CursorContext.of(task.snapshot),
        CompletionScope.LINE if task.extent is Extent.LINE else CompletionScope.BLOCK,
        finish_reason=FinishReason.STOP if is_complete else FinishReason.LENGTH,
    )
    return _score(task, View.SHOWN, outcome.text or "", stops=boundary.stops(answer))


def program_of(task: Task, completion: str) -> str:
    """Return the program that fails unless a completion solves the task.

    A line that was cut before its line end gets the missing text's line end back.
    """
    is_line = task.extent is Extent.LINE and task.middle.endswith("\n")
    end = "\n" if is_line else ""
    return f"{task.prefix}{completion}{end}{task.suffix}\n{task.test or ''}"


def _score(task: Task, view: View, completion: str, *, stops: bool) -> Score:
    stripped, missing = completion.strip(), task.middle.strip()
    return Score(
        task_id=task.task_id,
        category=task.category,
        group=task.group,
        view=view,
        completion=completion,
        exact=stripped == missing,
        similarity=edit_similarity(stripped, missing),
        stops=stops,
        kept_chars=common_prefix_chars(completion, task.middle),
        suggested_chars=len(completion),
    )
