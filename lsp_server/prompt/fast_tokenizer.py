"""The tokenizer of a model folder, on the ``tokenizers`` library."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer as LibraryTokenizer

from lsp_server.errors import ModelIntegrityError
from lsp_server.prompt.definition import TokenizerDefinition
from lsp_server.prompt.pieces import token_pieces

__all__ = ["FastTokenizer"]

_CACHED_TEXTS = 512
"""Texts whose ids are remembered; a prompt has about twenty that come again."""

_LONGEST_CACHED_CHARS = 16_384


class FastTokenizer:
    """Reads ``tokenizer.json`` and keeps plain text and reserved tokens apart.

    Blocks of a file that have not changed since the last key are not encoded again.
    """

    def __init__(self, folder: Path) -> None:
        """Load the tokenizer of the model in ``folder``.

        Raises:
            ModelIntegrityError: The file is missing or damaged.
            UnsupportedModelError: It is a kind of tokenizer that Midfill cannot use.
        """
        path = folder / "tokenizer.json"
        definition = TokenizerDefinition(path)
        try:
            self._plain = LibraryTokenizer.from_str(definition.plain())
        except Exception as exc:  # the library raises bare Exception
            raise ModelIntegrityError(
                "the tokenizer library refuses the definition",
                subject=str(path),
                remedy="fetch the model again",
            ) from exc
        self._ids = dict(definition.vocabulary)
        self._ids.update({t.content: t.token_id for t in definition.added_tokens})
        self._reserved_ids = frozenset(t.token_id for t in definition.reserved)
        self._pieces = token_pieces(definition)
        self._encode_cached = lru_cache(_CACHED_TEXTS)(self._encode)

    @property
    def vocabulary_size(self) -> int:
        """One more than the highest token id."""
        return max(self._ids.values()) + 1

    @property
    def reserved_ids(self) -> frozenset[int]:
        """The ids of the added tokens that are not plain text."""
        return self._reserved_ids

    def encode(self, text: str) -> tuple[int, ...]:
        """Give the ids of ``text`` as plain text; lone surrogates become U+FFFD."""
        if len(text) > _LONGEST_CACHED_CHARS:
            return self._encode(text)
        return self._encode_cached(text)

    def decode(self, token_ids: Iterable[int]) -> str:
        """Give the text of ``token_ids``; reserved and unknown ids have none."""
        pieces = b"".join(map(self.token_bytes, token_ids))
        return pieces.decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """Give the UTF-8 bytes of one token; none of a reserved or unknown one."""
        return self._pieces.get(token_id, b"")

    def token_id(self, token: str) -> int | None:
        """Give the id of the token of exactly this name; None where there is none."""
        return self._ids.get(token)

    def _encode(self, text: str) -> tuple[int, ...]:
        if not text.isascii():
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        # The only call of the library that computes no offsets, a sixth of the time.
        [encoding] = self._plain.encode_batch_fast([text], add_special_tokens=False)
        ids = encoding.ids
        if self._reserved_ids.isdisjoint(ids):
            return tuple(ids)
        # Only an unknown token gets here: a character that the model cannot read.
        return tuple(each for each in ids if each not in self._reserved_ids)
