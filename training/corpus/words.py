r"""Turns text into hashes of runs of words, the same in every process.

Words are what ``\w+`` matches, in lower case: layout, punctuation and quotes may
change without hiding a copy.
"""

import re
import zlib
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Hashes", "hash_runs", "hash_words"]

Hashes: TypeAlias = npt.NDArray[np.uint64]

_WORD = re.compile(r"\w+")
# Odd multipliers; the second and third are those of splitmix64, which spread every bit
# over the whole number (https://prng.di.unimi.it/splitmix64.c).
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def hash_words(text: str) -> Hashes:
    """Hash each word of a text, in order, shape (words,)."""
    words = _WORD.findall(text.lower())
    return np.fromiter(
        (zlib.crc32(word.encode()) for word in words), dtype=np.uint64, count=len(words)
    )


def hash_runs(words: Hashes, length: int) -> Hashes:
    """Hash each run of ``length`` words, shape (words - length + 1,) or (0,)."""
    count = len(words) - length + 1
    if count < 1:
        return np.empty(0, dtype=np.uint64)
    mixed = np.zeros(count, dtype=np.uint64)
    for shift in range(length):
        # Unsigned arrays wrap around, which is wanted here.
        mixed = mixed * _BASE + words[shift : shift + count]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return mixed ^ (mixed >> np.uint64(31))
