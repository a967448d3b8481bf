"""The bytes that each token of a vocabulary stands for.

Decoding by bytes, not by the library's decoder, is what lets a stream of tokens be
cut anywhere: joined bytes decode the same however they came.
"""

from collections.abc import Callable, Mapping

from lsp_server.prompt.definition import AddedToken, TokenizerDefinition

__all__ = ["token_pieces"]

_SPACE = "\u2581"
"""SentencePiece's visible space."""


def token_pieces(definition: TokenizerDefinition) -> dict[int, bytes]:
    """Give the bytes of every token that stands for text; reserved ones are absent."""
    added_ids = {token.token_id for token in definition.added_tokens}
    spell = _speller(definition)
    pieces = {
        token_id: spell(token)
        for token, token_id in definition.vocabulary.items()
        if token_id not in added_ids
    }
    pieces.update(map(_added_piece, filter(_is_plain_text, definition.added_tokens)))
    return pieces


def _is_plain_text(token: AddedToken) -> bool:
    return token.is_plain_text


def _added_piece(token: AddedToken) -> tuple[int, bytes]:
    """Added tokens are spelt as text, whatever the vocabulary's alphabet."""
    return token.token_id, token.content.replace(_SPACE, " ").encode()


def _speller(definition: TokenizerDefinition) -> Callable[[str], bytes]:
    if definition.byte_level:
        return _ByteLevelSpeller()
    if definition.byte_fallback:
        bytes_by_name = {f"<0x{byte:02X}>": bytes([byte]) for byte in range(256)}
        return _MetaspaceSpeller(bytes_by_name)
    return _MetaspaceSpeller({})


class _ByteLevelSpeller:
    """Spells tokens of the GPT-2 alphabet, in which one character is one byte.

    Bytes that print stand for themselves; the others are counted up from U+0100.

    Source: OpenAI's GPT-2 encoder, as every byte-level tokenizer has it since.
    """

    def __init__(self) -> None:
        printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
        others = [byte for byte in range(256) if byte not in printable]
        self._byte_of = {chr(byte): byte for byte in printable}
        self._byte_of.update({chr(256 + at): byte for at, byte in enumerate(others)})

    def __call__(self, token: str) -> bytes:
        if all(char in self._byte_of for char in token):
            return bytes(self._byte_of[char] for char in token)
        return token.encode()


class _MetaspaceSpeller:
    """Spells SentencePiece tokens, in which U+2581 is a space."""

    def __init__(self, bytes_by_name: Mapping[str, bytes]) -> None:
        self._bytes_by_name = bytes_by_name

    def __call__(self, token: str) -> bytes:
        named = self._bytes_by_name.get(token)
        return token.replace(_SPACE, " ").encode() if named is None else named
