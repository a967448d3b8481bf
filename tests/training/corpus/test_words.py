"""Hashes of runs depend on the words and their order, and on nothing else."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.corpus.words import hash_runs, hash_words

WORDS = st.lists(st.text("abcxyz", min_size=1, max_size=4), max_size=30)


@given(words=WORDS, length=st.integers(1, 12))
def test_hashes_every_run(words: list[str], length: int) -> None:
    """Equal runs have equal hashes, others different ones, and none is missing."""
    runs = [tuple(words[n : n + length]) for n in range(len(words) - length + 1)]
    hashes = hash_runs(hash_words(" ".join(words)), length).tolist()
    assert len(runs) == len(hashes)
    assert (
        len(set(runs)) == len(set(hashes)) == len(set(zip(runs, hashes, strict=True)))
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("def f(a, b):\n    return a", "DEF  f( a,b ) : return a"),
        ("x = 'word'", 'x="word"'),
    ],
)
def test_ignores_layout(first: str, second: str) -> None:
    """Layout, punctuation and case are not words."""
    assert np.array_equal(hash_words(first), hash_words(second))


def test_is_the_same_in_every_process() -> None:
    """No hash depends on Python's own, which is different in each process."""
    program = (
        "from training.corpus.words import *;"
        "print(hash_runs(hash_words('one two three'), 2).tolist())"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert str(hash_runs(hash_words("one two three"), 2).tolist()) == said.strip()
