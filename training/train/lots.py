"""Draws lengths by lot."""

import math
import random

__all__ = ["length_between", "log_uniform"]

_SHORTEST = 1 / 50
"""As a share of the longest. Were single characters as frequent as long runs, few
tokens of a corpus would be middles."""


def log_uniform(low: float, high: float, rng: random.Random) -> float:
    """Draw a number whose logarithm is evenly distributed."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def length_between(longest: int, rng: random.Random, *, evenly: bool) -> int:
    """Draw a length from one to ``longest``.

    Every length is as likely if ``evenly``; else the logarithm is evenly distributed,
    from a fiftieth of the longest on.
    """
    share = 1 - rng.random() if evenly else log_uniform(_SHORTEST, 1, rng)
    return max(int(longest * share), 1)
