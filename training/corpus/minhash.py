"""Finds near-duplicates with MinHash and locality-sensitive hashing.

Two texts are as alike as the share of word runs that they have in common (Jaccard). A
signature of independent minima estimates that share; texts that agree in one whole
band of their signatures are compared.

Source: Broder, On the resemblance and containment of documents, 1997; Leskovec,
Rajaraman and Ullman, Mining of Massive Datasets, chapter 3.
"""

import hashlib
from collections import defaultdict
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from training.corpus.words import Hashes, hash_runs

__all__ = ["NearDuplicates", "Signature", "estimate", "sign"]

Signature: TypeAlias = npt.NDArray[np.uint32]

PERMUTATIONS = 128
_BANDS = 16
_ROWS = PERMUTATIONS // _BANDS
"""16 bands of 8 find 95 % of the pairs that are 0.8 alike, and 6 % at 0.5."""

RUN_WORDS = 5
_BLOCK = 2_048
"""Runs hashed at a time; their products stay in a core's cache."""


def _constants(purpose: str) -> Hashes:
    digests = b"".join(
        hashlib.sha256(f"{purpose} {index}".encode()).digest()[:8]
        for index in range(PERMUTATIONS)
    )
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


_MULTIPLIERS = _constants("multiplier") | np.uint64(1)
_ADDENDS = _constants("addend")
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def sign(words: Hashes) -> Signature:
    """Give the signature of a text's words, shape (128,).

    A text of fewer words than a run counts as one run.
    """
    runs = hash_runs(words, min(RUN_WORDS, max(1, len(words))))
    distinct = np.unique(runs & _LOW)
    minima = np.full(PERMUTATIONS, 0xFFFFFFFF, dtype=np.uint64)
    for start in range(0, len(distinct), _BLOCK):
        block = distinct[start : start + _BLOCK]
        # (permutations, runs): the upper half of a product is a hash of its own.
        hashed = (_MULTIPLIERS[:, None] * block[None, :] + _ADDENDS[:, None]) >> _HALF
        np.minimum(minima, hashed.min(axis=1), out=minima)
    return minima.astype(np.uint32)


def estimate(first: Signature, second: Signature) -> float:
    """Estimate the share of runs that two texts have in common, between 0 and 1."""
    return float(np.mean(first == second))


class NearDuplicates:
    """Remembers signatures, and knows a text that is like an earlier one.

    Args:
        threshold: Least estimated share of common runs.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._kept: list[Signature] = []
        self._buckets: defaultdict[int, list[int]] = defaultdict(list)

    def add(self, signature: Signature) -> bool:
        """Remember the signature unless one like it was remembered before.

        Returns:
            Whether it was remembered.
        """
        keys = _band_keys(signature)
        near = sorted(
            {
                each
                for key in keys
                if key in self._buckets
                for each in self._buckets[key]
            }
        )
        if near:
            others = np.stack([self._kept[each] for each in near])
            if np.mean(others == signature, axis=1).max() >= self._threshold:
                return False
        for key in keys:
            self._buckets[key].append(len(self._kept))
        self._kept.append(signature)
        return True


def _band_keys(signature: Signature) -> list[int]:
    """Give one number for each band; equal bands at the same place give equal ones."""
    bands = signature.reshape(_BANDS, _ROWS).astype(np.uint64)
    keys = np.arange(_BANDS, dtype=np.uint64)
    for row in range(_ROWS):
        keys = (keys * _MULTIPLIERS[0] + bands[:, row]) ^ (keys >> _HALF)
    numbers: list[int] = keys.tolist()
    return numbers
