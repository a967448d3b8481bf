"""Decodes tokens as they come, without ever splitting a character."""

import codecs
from collections.abc import Iterable

from lsp_server.prompt.tokenizer import Tokenizer

__all__ = ["StreamDecoder"]


class StreamDecoder:
    """Gives each piece of text as soon as its bytes are whole characters.

    The pieces of `feed` and the one of `finish`, joined, are exactly what
    `Tokenizer.decode` gives for all the tokens at once.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Begin an empty stream."""
        self._tokenizer = tokenizer
        self._bytes_to_text = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, token_ids: Iterable[int]) -> str:
        """Give the text that these tokens complete; empty while a character is open."""
        pieces = b"".join(map(self._tokenizer.token_bytes, token_ids))
        return self._bytes_to_text.decode(pieces)

    def finish(self) -> str:
        """End the stream: an open character becomes U+FFFD."""
        return self._bytes_to_text.decode(b"", final=True)
