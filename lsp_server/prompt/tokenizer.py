"""What the prompt layer asks of a tokenizer.

A tokenizer here has two doors. Text goes through `encode`, which knows plain text
only; sentinels go through `token_id`, by name. No text, whatever it contains, comes
out of the first door as something that only the second may give.
"""

from collections.abc import Iterable
from typing import Protocol

__all__ = ["Tokenizer"]


class Tokenizer(Protocol):
    """Text to token ids and back, sentinels apart."""

    @property
    def vocabulary_size(self) -> int:
        """One more than the highest token id."""
        ...

    @property
    def reserved_ids(self) -> frozenset[int]:
        """The ids that `encode` never yields: sentinels and other control tokens."""
        ...

    def encode(self, text: str) -> tuple[int, ...]:
        """Give the ids of ``text`` as plain text, with nothing put in front or behind.

        Decoding the result gives ``text`` again, up to the Unicode normalisation
        that the tokenizer's own definition asks for.
        """
        ...

    def encode_ahead(self, texts: Iterable[str]) -> None:
        """Prepare for these texts, of which most will be given to `encode` soon."""
        ...

    def decode(self, token_ids: Iterable[int]) -> str:
        """Give the text of ``token_ids``; reserved and unknown ids have none.

        Bytes that are not UTF-8 become U+FFFD.
        """
        ...

    def spell(self, token_ids: Iterable[int]) -> str:
        """Give the text of ``token_ids`` for people: reserved ids by their names."""
        ...

    def token_bytes(self, token_id: int) -> bytes:
        """Give the UTF-8 bytes of one token, which need not be whole characters."""
        ...

    def open_from(self, line: str) -> int:
        """Return from where on the tokens of ``line`` hang on what comes behind it.

        ``line`` is the beginning of a line and not empty. Text before that place has
        the same tokens whatever is written behind ``line``.
        """
        ...

    def starting_with(self, piece: bytes) -> bytes:
        """Return a mask of the tokens whose bytes begin with ``piece``.

        It has a bit for each token; token 0 is the lowest bit of the first byte.
        """
        ...

    def spelling(self, piece: bytes) -> tuple[int, ...]:
        """Return the tokens whose bytes are exactly ``piece``."""
        ...

    def token_id(self, token: str) -> int | None:
        """Give the id of the token of exactly this name; None where there is none."""
        ...
