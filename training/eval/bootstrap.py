"""How sure a share, or a difference of two, is: the bootstrap over groups."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Estimate", "estimate_mean"]

_DRAWS = 10_000
_LEVELS = (2.5, 97.5)


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


def estimate_mean(
    values: Sequence[float], groups: Sequence[Hashable], *, seed: int
) -> Estimate:
    """Estimate the mean of ``values``, of which there is at least one.

    Whole groups are drawn with replacement, since what belongs together, such as the
    lines of one function, does not tell of a model independently. A single group gives
    an interval without width, which says nothing.

    Args:
        values: What was measured; for a difference, the difference of each pair.
        groups: What each value belongs to.
        seed: The same seed gives the same interval.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, percentile
    interval.
    """
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    which = np.array([places[group] for group in groups])
    sums = np.bincount(which, weights=np.asarray(values, float))
    counts = np.bincount(which)
    rng = np.random.default_rng(seed)
    # (draws, groups): how often each group was drawn.
    drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=_DRAWS)
    means = drawn @ sums / (drawn @ counts)
    low, high = np.percentile(means, _LEVELS)
    return Estimate(value=float(np.mean(values)), low=float(low), high=float(high))
