"""Signatures estimate likeness, and the index finds what is alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.corpus.minhash import (
    PERMUTATIONS,
    NearDuplicates,
    Signature,
    estimate,
    sign,
)
from training.corpus.words import Hashes

_SIX_DEVIATIONS = 6 * 0.5 / PERMUTATIONS**0.5


def numbered(start: int, stop: int) -> Hashes:
    """Make words of which no two are equal."""
    return np.arange(start, stop, dtype=np.uint64) * np.uint64(2_654_435_761)


def signature(start: int, stop: int) -> Signature:
    """Sign numbered words."""
    return sign(numbered(start, stop))


@settings(max_examples=60, deadline=None)
@given(
    first=st.integers(0, 10_000),
    length=st.integers(20, 3_000),
    shift_share=st.floats(0, 1),
)
def test_estimates_the_common_share(
    first: int, length: int, shift_share: float
) -> None:
    """The estimate is as near to the true share as 128 samples allow."""
    shift = int(length * shift_share)
    runs = length - 4
    common = max(0, runs - shift)
    true_share = common / (2 * runs - common)
    estimated = estimate(
        signature(first, first + length),
        signature(first + shift, first + shift + length),
    )
    assert abs(true_share - estimated) <= _SIX_DEVIATIONS


@given(words=st.lists(st.integers(0, 2**32 - 1), max_size=40))
def test_does_not_depend_on_repetition(words: list[int]) -> None:
    """A text repeated has the runs of the text, and those where it meets itself."""
    once = np.array(words * 2, dtype=np.uint64)
    twice = np.array(words * 3, dtype=np.uint64)
    if len(words) >= 4:
        assert np.array_equal(sign(once), sign(twice))
    assert np.array_equal(sign(once), sign(once))


@pytest.mark.parametrize("count", [0, 1, 4, 5, 2_052, 2_053, 5_000])
def test_signs_any_length(count: int) -> None:
    """Texts shorter than a run, and longer than a block, have full signatures."""
    signed = signature(0, count)
    assert (PERMUTATIONS,) == signed.shape
    assert np.uint32 == signed.dtype


@pytest.mark.parametrize(
    ("shift", "is_new"),
    [(0, False), (20, False), (50, False), (400, True), (2_000, True)],
)
def test_finds_what_is_alike(shift: int, *, is_new: bool) -> None:
    """At a threshold of 0.8, five percent of change is a copy and forty is none."""
    index = NearDuplicates(0.8)
    assert index.add(signature(0, 1_000))
    assert is_new == index.add(signature(shift, shift + 1_000))


def test_compares_with_all_that_was_kept() -> None:
    """A copy is known whichever of many earlier texts it copies."""
    index = NearDuplicates(0.8)
    for number in range(50):
        assert index.add(signature(number * 1_000, number * 1_000 + 500))
    for number in range(50):
        assert not index.add(signature(number * 1_000 + 5, number * 1_000 + 505))


def test_forgets_what_it_did_not_keep() -> None:
    """A dropped text does not drop others: likeness is to what is in the corpus."""
    index = NearDuplicates(0.8)
    kept, dropped, third = (signature(n, n + 1_000) for n in (0, 90, 180))
    assert index.add(kept)
    assert not index.add(dropped)
    assert 0.8 <= estimate(dropped, third)
    assert index.add(third)
