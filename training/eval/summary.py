"""Sums scores up: shares for each category and view, and what makes a difference."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from training.eval.bootstrap import Estimate, estimate_mean
from training.eval.values import Score, View

__all__ = ["Difference", "Row", "compare", "suffix_gains", "sum_up"]

_MEASURES: Mapping[str, Callable[[Score], float | None]] = {
    "exact match": lambda score: 100.0 * score.exact,
    "pass@1": lambda score: None if score.passed is None else 100.0 * score.passed,
}
"""What differences are told of, in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model's figures in one category and view, in percent.

    Attributes:
        category: The tasks.
        view: What of the model was looked at.
        tasks: How many tasks there were.
        exact: Exact match, with its interval.
        passed: Answers that pass their test; None without tests.
        similarity: Mean edit similarity.
        stops: Answers that the model ended by itself in the right kind of place.
        kept: Of all suggested characters, those that agree with the missing text from
            the cursor on; None where nothing was suggested.
    """

    category: str
    view: View
    tasks: int
    exact: Estimate
    passed: Estimate | None
    similarity: float
    stops: float
    kept: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How much more one way reaches than the other on the same tasks, in points.

    Attributes:
        category: The tasks.
        measure: What was measured.
        points: The mean difference, with its interval.
    """

    category: str
    measure: str
    points: Estimate


def sum_up(scores: Sequence[Score], *, seed: int) -> list[Row]:
    """Sum up one model's scores, by category and view in the order they come in."""
    found: dict[tuple[str, View], list[Score]] = {}
    for score in scores:
        found.setdefault((score.category, score.view), []).append(score)
    categories = list(dict.fromkeys(score.category for score in scores))
    ordered = sorted(found, key=lambda key: categories.index(key[0]))
    return [_row(*key, found[key], seed) for key in ordered]


def suffix_gains(scores: Sequence[Score], *, seed: int) -> list[Difference]:
    """Tell what the suffix gives to one model, over itself from left to right."""
    return _differences(
        [score for score in scores if score.view is View.WITH_SUFFIX],
        [score for score in scores if score.view is View.NO_SUFFIX],
        seed,
    )


def compare(
    scores: Sequence[Score], others: Sequence[Score], *, seed: int
) -> list[Difference]:
    """Tell how much more one model reaches than another, both with the suffix."""
    return _differences(
        [score for score in scores if score.view is View.WITH_SUFFIX],
        [score for score in others if score.view is View.WITH_SUFFIX],
        seed,
    )


def _row(category: str, view: View, scores: Sequence[Score], seed: int) -> Row:
    suggested = sum(score.suggested_chars for score in scores)
    kept = sum(score.kept_chars for score in scores)
    exact = _estimate(scores, _MEASURES["exact match"], seed)
    if exact is None:
        raise ValueError("a row needs a score")
    return Row(
        category=category,
        view=view,
        tasks=len(scores),
        exact=exact,
        passed=_estimate(scores, _MEASURES["pass@1"], seed),
        similarity=100 * sum(score.similarity for score in scores) / len(scores),
        stops=100 * sum(score.stops for score in scores) / len(scores),
        kept=100 * kept / suggested if suggested else None,
    )


def _estimate(
    scores: Sequence[Score], measure: Callable[[Score], float | None], seed: int
) -> Estimate | None:
    measured = [(measure(score), score.group) for score in scores]
    pairs = [(value, group) for value, group in measured if value is not None]
    if not pairs:
        return None
    return estimate_mean(
        [value for value, _ in pairs], [group for _, group in pairs], seed=seed
    )


def _differences(
    scores: Sequence[Score], others: Sequence[Score], seed: int
) -> list[Difference]:
    other_of = {score.task_id: score for score in others}
    found = []
    for category in dict.fromkeys(score.category for score in scores):
        here = [score for score in scores if score.category == category]
        for name, measure in _MEASURES.items():
            pairs = [
                (one - other, score.group)
                for score in here
                if (one := measure(score)) is not None
                and (other := measure(other_of[score.task_id])) is not None
            ]
            if pairs:
                points = estimate_mean(
                    [value for value, _ in pairs],
                    [group for _, group in pairs],
                    seed=seed,
                )
                found.append(Difference(category=category, measure=name, points=points))
    return found
