"""Finds the tokens of a vocabulary by the bytes that they begin with."""

from bisect import bisect_left
from collections.abc import Mapping
from functools import lru_cache

__all__ = ["TokenIndex"]

_REMEMBERED_MASKS = 256
"""A blank, a dot and a bracket are asked for again and again."""


class TokenIndex:
    """Every token that stands for text, in the order of its bytes.

    Args:
        pieces: The bytes of every token that stands for text.
    """

    def __init__(self, pieces: Mapping[int, bytes]) -> None:
        """Sort the tokens."""
        self._ids = sorted(pieces, key=lambda token_id: (pieces[token_id], token_id))
        self._pieces = [pieces[token_id] for token_id in self._ids]
        self._mask_bytes = (max(self._ids, default=0) >> 3) + 1
        self.starting_with = lru_cache(maxsize=_REMEMBERED_MASKS)(self._starting_with)

    def spelling(self, piece: bytes) -> tuple[int, ...]:
        """Return the tokens that are exactly ``piece``."""
        found = []
        at = bisect_left(self._pieces, piece)
        while at < len(self._ids) and self._pieces[at] == piece:
            found.append(self._ids[at])
            at += 1
        return tuple(found)

    def _starting_with(self, piece: bytes) -> bytes:
        """Return a mask of the tokens that begin with ``piece``.

        It has a bit for each token; token 0 is the lowest bit of the first byte.
        """
        mask = bytearray(self._mask_bytes)
        at = bisect_left(self._pieces, piece)
        while at < len(self._ids) and self._pieces[at].startswith(piece):
            token_id = self._ids[at]
            mask[token_id >> 3] |= 1 << (token_id & 7)
            at += 1
        return bytes(mask)
