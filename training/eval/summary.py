"""Summarises scores: shares with confidence intervals, and paired differences."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.eval.values import Score, View

__all__ = [
    "Difference",
    "Estimate",
    "Familiarity",
    "Row",
    "compare",
    "count_familiar",
    "estimate_mean",
    "suffix_gains",
    "summarise",
]

_RESAMPLES = 10_000
_PERCENTILES = (2.5, 97.5)

_MEASURES: Mapping[str, Callable[[Score], float | None]] = {
    "exact match": lambda score: 100.0 * score.exact,
    "pass@1": lambda score: None if score.passed is None else 100.0 * score.passed,
}
"""The measures that differences are computed for, in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its 95 % interval, in the unit of the values.

    Attributes:
        value: The mean.
        low: The interval's lower end.
        high: Its upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model's results in one category and view, in percent.

    Attributes:
        category: The tasks' category.
        view: What of the model was measured.
        tasks: Number of tasks.
        exact: Exact match.
        passed: Answers that pass their test; None without tests.
        similarity: Mean edit similarity.
        stops: Answers that the model itself ended where they should end.
        kept: Share of all suggested characters that agree with the missing text from
            the cursor on; None if nothing was suggested.
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
    """A paired difference on the same tasks, in percentage points.

    Attributes:
        category: The tasks' category.
        measure: What was measured.
        points: The mean difference.
    """

    category: str
    measure: str
    points: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Familiarity:
    """Numbers of cursors, by whether the model was trained on their file's package.

    Attributes:
        trained: Cursors in packages that the model was trained on.
        other: Cursors in packages that it was not trained on.
        unknown: Cursors in files whose package is unknown.
    """

    trained: int
    other: int
    unknown: int


def estimate_mean(
    values: Sequence[float], groups: Sequence[Hashable], *, seed: int
) -> Estimate:
    """Estimate the mean of at least one value, by a bootstrap over groups.

    Whole groups are drawn with replacement, since values of a group, such as the lines
    of one function, are not independent. A single group gives an interval without
    width, which means nothing.

    Args:
        values: The measurements; for a difference, the difference of each pair.
        groups: The group of each value.
        seed: The same seed gives the same interval.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, percentile
    interval.
    """
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    group_of = np.array([numbers[group] for group in groups])
    sums = np.bincount(group_of, weights=np.asarray(values, float))
    counts = np.bincount(group_of)
    rng = np.random.default_rng(seed)
    # (resamples, groups): how often each group was drawn.
    drawn = rng.multinomial(
        len(sums), np.full(len(sums), 1 / len(sums)), size=_RESAMPLES
    )
    means = drawn @ sums / (drawn @ counts)
    low, high = np.percentile(means, _PERCENTILES)
    return Estimate(value=float(np.mean(values)), low=float(low), high=float(high))


def summarise(scores: Sequence[Score], *, seed: int) -> list[Row]:
    """Return a row for each category and view of one model, in their first order."""
    found: dict[tuple[str, View], list[Score]] = {}
    for score in scores:
        found.setdefault((score.category, score.view), []).append(score)
    categories = list(dict.fromkeys(score.category for score in scores))
    ordered = sorted(found, key=lambda key: categories.index(key[0]))
    return [_row(*key, found[key], seed) for key in ordered]


def suffix_gains(scores: Sequence[Score], *, seed: int) -> list[Difference]:
    """Return how much one model gains by the suffix, over itself without it."""
    return _differences(
        [score for score in scores if score.view is View.WITH_SUFFIX],
        [score for score in scores if score.view is View.NO_SUFFIX],
        seed,
    )


def compare(
    scores: Sequence[Score], others: Sequence[Score], *, seed: int
) -> list[Difference]:
    """Return how far one model is ahead of another, both with the suffix."""
    return _differences(
        [score for score in scores if score.view is View.WITH_SUFFIX],
        [score for score in others if score.view is View.WITH_SUFFIX],
        seed,
    )


def count_familiar(
    packages: Iterable[str | None], trained: frozenset[str]
) -> Familiarity:
    """Count cursors by whether their package is in ``trained``.

    Args:
        packages: The package of each cursor's file; None where it is unknown.
        trained: Packages that the model was trained on.
    """
    found = list(packages)
    unknown = found.count(None)
    familiar = sum(each in trained for each in found)
    return Familiarity(
        trained=familiar, other=len(found) - familiar - unknown, unknown=unknown
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
    return _estimate_pairs([(measure(score), score.group) for score in scores], seed)


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
            points = _estimate_pairs(pairs, seed)
            if points is not None:
                found.append(Difference(category=category, measure=name, points=points))
    return found


def _estimate_pairs(
    pairs: Sequence[tuple[float | None, str]], seed: int
) -> Estimate | None:
    """Estimate the mean of the values that are there, each with its group."""
    known = [(value, group) for value, group in pairs if value is not None]
    if not known:
        return None
    return estimate_mean(
        [value for value, _ in known], [group for _, group in known], seed=seed
    )
