"""The interval holds the mean, follows the groups, and repeats itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.eval.bootstrap import estimate_mean


@settings(max_examples=25)
@given(st.lists(st.sampled_from([0.0, 100.0]), min_size=1, max_size=20))
def test_interval_lies_within_the_values(values: list[float]) -> None:
    """No draw can give more than the largest value, or less than the smallest."""
    found = estimate_mean(values, range(len(values)), seed=1)
    assert sum(values) / len(values) == pytest.approx(found.value)
    assert min(values) <= found.low <= found.high <= max(values)


def test_many_coins() -> None:
    """A share of a half of 400 has the textbook's interval of about ten points."""
    found = estimate_mean([0.0, 100.0] * 200, range(400), seed=0)
    assert 50 == found.value
    assert pytest.approx(45.1, abs=0.6) == found.low
    assert pytest.approx(54.9, abs=0.6) == found.high


def test_groups_count_once() -> None:
    """Four copies of each value are no more certain than one of each."""
    once = estimate_mean([0.0, 100.0] * 20, range(40), seed=0)
    values = [value for value in [0.0, 100.0] * 20 for _ in range(4)]
    groups = [group for group in range(40) for _ in range(4)]
    copied = estimate_mean(values, groups, seed=0)
    assert (once.low, once.high) == (copied.low, copied.high)
    alone = estimate_mean(values, range(160), seed=0)
    assert alone.high - alone.low < (copied.high - copied.low) * 0.6


def test_seed_repeats() -> None:
    """The same seed gives the same interval, another one another."""
    values = [0.0, 1.0, 5.0, 7.0, 12.0, 13.0]
    assert estimate_mean(values, range(6), seed=3) == estimate_mean(
        values, range(6), seed=3
    )
