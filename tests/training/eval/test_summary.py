"""Shares and differences are those of the scores."""

from collections.abc import Callable

import pytest

from training.eval.summary import compare, suffix_gains, sum_up
from training.eval.values import Score, View

MakeScore = Callable[..., Score]


def test_row(make_score: MakeScore) -> None:
    """Shares are in percent; characters are summed before they are divided."""
    [row] = sum_up(
        [
            make_score("a", similarity=0.5, kept_chars=1, suggested_chars=2),
            make_score("b", exact=False, stops=False, kept_chars=0, suggested_chars=8),
        ],
        seed=0,
    )
    assert (2, 50, None) == (row.tasks, row.exact.value, row.passed)
    assert (75, 50, 10) == (row.similarity, row.stops, row.kept)


def test_nothing_suggested(make_score: MakeScore) -> None:
    """Without any character there is no share of them."""
    [row] = sum_up([make_score("a", kept_chars=0, suggested_chars=0)], seed=0)
    assert row.kept is None


def test_rows_by_category_and_view(make_score: MakeScore) -> None:
    """Categories stay together, in the order in which they first came."""
    scores = [
        make_score("a", category="x"),
        make_score("b", category="a"),
        make_score("a", category="x", view=View.NO_SUFFIX),
    ]
    found = [(row.category, row.view) for row in sum_up(scores, seed=0)]
    assert [
        ("x", View.WITH_SUFFIX),
        ("x", View.NO_SUFFIX),
        ("a", View.WITH_SUFFIX),
    ] == found


def test_suffix_gain(make_score: MakeScore) -> None:
    """The gain is paired: task by task, with the suffix less without."""
    scores = [make_score(each, passed=True) for each in "abcd"]
    scores += [
        make_score(each, view=View.NO_SUFFIX, exact=each == "a", passed=True)
        for each in "abcd"
    ]
    exact, passed = suffix_gains(scores, seed=0)
    assert ("exact match", 75) == (exact.measure, exact.points.value)
    assert exact.points.low < 75 < exact.points.high
    assert ("pass@1", 0, 0, 0) == (
        passed.measure,
        passed.points.value,
        passed.points.low,
        passed.points.high,
    )


def test_no_tests_no_pass(make_score: MakeScore) -> None:
    """Tasks without a test have no pass@1 to differ in."""
    scores = [make_score("a"), make_score("a", view=View.NO_SUFFIX)]
    assert ["exact match"] == [each.measure for each in suffix_gains(scores, seed=0)]


def test_compare(make_score: MakeScore) -> None:
    """Two models are compared task by task, both with the suffix."""
    mine = [make_score("a"), make_score("b"), make_score("b", view=View.NO_SUFFIX)]
    other = [make_score("b", exact=False), make_score("a")]
    [lead] = compare(mine, other, seed=0)
    assert 50 == lead.points.value


def test_other_tasks(make_score: MakeScore) -> None:
    """Scores of different tasks cannot be compared."""
    with pytest.raises(KeyError):
        compare([make_score("a")], [make_score("b")], seed=0)
