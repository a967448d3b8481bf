"""The bytes of every token of a vocabulary, and a search among them.

Tokens are decoded through their bytes, not by the library's decoder, so that a stream
of tokens may be cut anywhere: joined bytes decode the same however they came.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from functools import lru_cache

from lsp_server.prompt.tokenizer_json import TokenizerJson

__all__ = ["TokenIndex", "bytes_of_tokens"]

_SPACE = "\u2581"
"""SentencePiece's visible space."""

_MAX_CACHED_MASKS = 256
"""Prefixes such as a blank, a dot or a bracket come again and again."""


def bytes_of_tokens(file: TokenizerJson) -> dict[int, bytes]:
    """Return the bytes of every token that stands for text, by its id.

    Reserved tokens are left out.
    """
    to_bytes = _converter(file)
    added_ids = {token.token_id for token in file.added_tokens}
    found = {
        token_id: to_bytes(token)
        for token, token_id in file.vocabulary.items()
        if token_id not in added_ids
    }
    for added in file.added_tokens:
        # Added tokens are written as text, whatever the vocabulary's alphabet.
        if added.is_plain_text:
            found[added.token_id] = added.content.replace(_SPACE, " ").encode()
    return found


class TokenIndex:
    """Finds tokens by their bytes.

    Args:
        token_bytes: The bytes of every token that stands for text, by its id.
    """

    def __init__(self, token_bytes: Mapping[int, bytes]) -> None:
        """Sort the tokens by their bytes."""
        self._ids = sorted(token_bytes, key=lambda each: (token_bytes[each], each))
        self._sorted = [token_bytes[token_id] for token_id in self._ids]
        self._mask_bytes = (max(self._ids, default=0) >> 3) + 1
        self.starting_with = lru_cache(maxsize=_MAX_CACHED_MASKS)(self._starting_with)

    def spelling(self, exact: bytes) -> tuple[int, ...]:
        """Return the tokens whose bytes are exactly these."""
        found = []
        at = bisect_left(self._sorted, exact)
        while at < len(self._ids) and self._sorted[at] == exact:
            found.append(self._ids[at])
            at += 1
        return tuple(found)

    def _starting_with(self, prefix: bytes) -> bytes:
        """Return a mask of the tokens whose bytes begin with ``prefix``.

        It has a bit for each token; token 0 is the lowest bit of the first byte.
        """
        mask = bytearray(self._mask_bytes)
        at = bisect_left(self._sorted, prefix)
        while at < len(self._ids) and self._sorted[at].startswith(prefix):
            token_id = self._ids[at]
            mask[token_id >> 3] |= 1 << (token_id & 7)
            at += 1
        return bytes(mask)


def _converter(file: TokenizerJson) -> Callable[[str], bytes]:
    """Return the function from a token of this vocabulary to its bytes."""
    if file.byte_level:
        byte_of = _byte_level_alphabet()
        return lambda token: (
            bytes(map(byte_of.__getitem__, token))
            if byte_of.keys() >= set(token)
            else token.encode()
        )
    named: dict[str, bytes] = {}
    if file.byte_fallback:
        named = {f"<0x{byte:02X}>": bytes([byte]) for byte in range(256)}
    return lambda token: named.get(token) or token.replace(_SPACE, " ").encode()


def _byte_level_alphabet() -> dict[str, int]:
    """Return the byte of each character of the GPT-2 alphabet.

    Printable bytes stand for themselves; the others are counted up from U+0100.

    Source: OpenAI's GPT-2 encoder, as every byte-level tokenizer has it since.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable}
    alphabet.update({chr(0x100 + at): byte for at, byte in enumerate(others)})
    return alphabet
