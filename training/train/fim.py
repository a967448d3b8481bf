"""Cuts documents into prefix, middle and suffix.

The three together are the window that was cut, character for character. Nothing here
knows of tokens.

Which part becomes the middle is chosen in `training.train.middles`.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from training.train.config import Cuts
from training.train.lots import log_uniform
from training.train.middles import choose_middle
from training.train.outline import Outline, Span

__all__ = ["Cut", "cut_window", "windows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A window in three parts.

    Attributes:
        prefix: What stands before the middle.
        middle: What the model has to write; may be empty.
        suffix: What stands behind it.
    """

    prefix: str
    middle: str
    suffix: str


def windows(
    text: str, *, shortest_chars: int, longest_chars: int, rng: random.Random
) -> Iterator[Span]:
    """Divide ``text`` into windows of whole lines, without a gap.

    Lengths are log-uniform. A line longer than its window is a window of its own, and
    a short rest stays with the window before it.
    """
    start = 0
    while start < len(text):
        length = int(log_uniform(shortest_chars, longest_chars, rng))
        end = text.rfind("\n", start, start + length) + 1
        if start + length >= len(text):
            end = len(text)
        elif end <= start:
            end = text.find("\n", start) + 1 or len(text)
        if len(text) - end < shortest_chars and len(text) - start <= longest_chars:
            end = len(text)
        yield start, end
        start = end


def cut_window(
    text: str, window: Span, outline: Outline, rng: random.Random, cuts: Cuts
) -> Cut:
    """Cut the window of ``text`` where a middle of one of the kinds of ``cuts`` is."""
    first, last = choose_middle(text, window, outline, rng, cuts)
    return Cut(
        prefix=text[window[0] : first],
        middle=text[first:last],
        suffix=text[last : window[1]],
    )
