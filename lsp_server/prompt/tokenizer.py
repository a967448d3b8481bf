"""Text to token ids and back, with text and control tokens kept apart.

`Tokenizer.encode` takes text and never yields a reserved token, whatever the text
spells. Reserved tokens, such as FIM sentinels, come by name from `Tokenizer.token_id`.
"""

import codecs
import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer as LibraryTokenizer

from lsp_server.errors import ModelIntegrityError
from lsp_server.prompt.token_bytes import TokenIndex, bytes_of_tokens
from lsp_server.prompt.tokenizer_json import TokenizerJson

__all__ = ["FastTokenizer", "StreamDecoder", "Tokenizer"]

_MAX_CACHED_TEXTS = 4_096
"""A prompt has about thirty blocks of text that come again in the next one, and a
hundred people may be at work. One takes 3 to 4 kB."""

_MAX_CACHED_CHARS = 16_384
"""A longer text is not cached."""

_LAST_WORD = re.compile(r"\s?(?:[^\w\s]?\w+|[^\w\s]+)\Z|\s+\Z")
"""Blanks, or a word or an operator with what a token may hold in front of it."""


class Tokenizer(Protocol):
    """Encodes text, decodes tokens, and finds tokens by their names or bytes."""

    @property
    def vocabulary_size(self) -> int:
        """One more than the highest token id."""
        ...

    @property
    def reserved_ids(self) -> frozenset[int]:
        """The ids that `encode` never yields: sentinels and other control tokens."""
        ...

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the ids of ``text`` as plain text, with no special token added.

        Decoding them returns ``text``, up to the Unicode normalisation that the
        tokenizer itself prescribes.
        """
        ...

    def encode_ahead(self, texts: Iterable[str]) -> None:
        """Prepare for texts of which most will be given to `encode` soon."""
        ...

    def decode(self, token_ids: Iterable[int]) -> str:
        """Return the text of ``token_ids``; reserved and unknown ids have none.

        Bytes that are not UTF-8 become U+FFFD.
        """
        ...

    def spell(self, token_ids: Iterable[int]) -> str:
        """Return the text of ``token_ids`` for people: reserved ids by their names."""
        ...

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes of one token, which need not be whole characters.

        Reserved and unknown ids have none.
        """
        ...

    def open_from(self, line: str) -> int:
        """Return the offset in ``line`` up to which its tokens are final.

        ``line`` is the beginning of a line and not empty. Whatever is written behind
        it, the text before the offset has the same tokens.
        """
        ...

    def starting_with(self, prefix: bytes) -> bytes:
        """Return a mask of the tokens whose bytes begin with ``prefix``.

        It has a bit for each token; token 0 is the lowest bit of the first byte.
        """
        ...

    def spelling(self, exact: bytes) -> tuple[int, ...]:
        """Return the tokens whose bytes are exactly these."""
        ...

    def token_id(self, token: str) -> int | None:
        """Return the id of the token of exactly this name; None where there is none."""
        ...


class FastTokenizer:
    """The `Tokenizer` of a model folder, on the ``tokenizers`` library.

    Recently encoded texts are cached, so blocks of a file that have not changed since
    the last key are not encoded again. It is not thread-safe.
    """

    def __init__(self, folder: Path) -> None:
        """Load ``tokenizer.json`` from a model folder.

        Raises:
            ModelIntegrityError: The file is missing or damaged.
            UnsupportedModelError: It is a kind of tokenizer that Midfill cannot use.
        """
        path = folder / "tokenizer.json"
        file = TokenizerJson(path)
        try:
            self._plain = LibraryTokenizer.from_str(file.plain_text_json())
        except Exception as exc:  # the library raises bare Exception
            raise ModelIntegrityError(
                "the tokenizer library refuses the definition",
                subject=str(path),
                remedy="fetch the model again",
            ) from exc
        self._ids = dict(file.vocabulary)
        self._ids.update({t.content: t.token_id for t in file.added_tokens})
        self._reserved = {t.token_id: t.content for t in file.reserved}
        self._reserved_ids = frozenset(self._reserved)
        self._bytes = bytes_of_tokens(file)
        self._index = TokenIndex(self._bytes)
        self._cache: OrderedDict[str, tuple[int, ...]] = OrderedDict()

    @property
    def vocabulary_size(self) -> int:
        """One more than the highest token id."""
        return max(self._ids.values()) + 1

    @property
    def reserved_ids(self) -> frozenset[int]:
        """The ids of the added tokens that are not plain text."""
        return self._reserved_ids

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the ids of ``text`` as plain text; lone surrogates become U+FFFD."""
        ids = self._cache.get(text)
        if ids is not None:
            self._cache.move_to_end(text)
            return ids
        [ids] = self._encode([text])
        self._remember(text, ids)
        return ids

    def encode_ahead(self, texts: Iterable[str]) -> None:
        """Encode texts into the cache, in parallel on several cores.

        One after the other where the environment has ``TOKENIZERS_PARALLELISM=false``.
        """
        new = [
            text
            for text in dict.fromkeys(texts)
            if text not in self._cache and len(text) <= _MAX_CACHED_CHARS
        ]
        if new:
            for text, ids in zip(new, self._encode(new), strict=True):
                self._remember(text, ids)

    def forget(self) -> None:
        """Empty the cache."""
        self._cache.clear()

    def decode(self, token_ids: Iterable[int]) -> str:
        """Return the text of ``token_ids``; reserved and unknown ids have none."""
        joined = b"".join(map(self.token_bytes, token_ids))
        return joined.decode("utf-8", errors="replace")

    def spell(self, token_ids: Iterable[int]) -> str:
        """Return the text of ``token_ids`` for people: reserved ids by their names."""
        joined = b"".join(
            self._reserved[each].encode()
            if each in self._reserved
            else self.token_bytes(each)
            for each in token_ids
        )
        return joined.decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes of one token; none for a reserved or unknown one."""
        return self._bytes.get(token_id, b"")

    def open_from(self, line: str) -> int:
        """Return the offset in ``line`` up to which its tokens are final.

        No token spans two parts of the pre-tokenizer's split. Where it does not split,
        as in SentencePiece, a word may still share a token with the blank before it.
        """
        pre_tokenizer = self._plain.pre_tokenizer
        parts = pre_tokenizer.pre_tokenize_str(line) if pre_tokenizer else []
        if parts and parts[-1][1][0]:
            return int(parts[-1][1][0])
        word = _LAST_WORD.search(line)
        return word.start() if word else len(line) - 1

    def starting_with(self, prefix: bytes) -> bytes:
        """Return a mask of the tokens whose bytes begin with ``prefix``."""
        return self._index.starting_with(prefix)

    def spelling(self, exact: bytes) -> tuple[int, ...]:
        """Return the tokens whose bytes are exactly these."""
        return self._index.spelling(exact)

    def token_id(self, token: str) -> int | None:
        """Return the id of the token of exactly this name; None where there is none."""
        return self._ids.get(token)

    def _remember(self, text: str, ids: tuple[int, ...]) -> None:
        """Cache the ids of a text in place of the least recently used."""
        if len(text) > _MAX_CACHED_CHARS:
            return
        self._cache[text] = ids
        if len(self._cache) > _MAX_CACHED_TEXTS:
            self._cache.popitem(last=False)

    def _encode(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        # The only call of the library that computes no offsets, in a sixth of the time.
        encodings = self._plain.encode_batch_fast(
            [_without_surrogates(text) for text in texts], add_special_tokens=False
        )
        return [self._without_reserved(encoding.ids) for encoding in encodings]

    def _without_reserved(self, ids: list[int]) -> tuple[int, ...]:
        if self._reserved_ids.isdisjoint(ids):
            return tuple(ids)
        # The unknown token, for a character that the model cannot read.
        return tuple(each for each in ids if each not in self._reserved_ids)


class StreamDecoder:
    """Decodes a stream of tokens without splitting a character.

    The texts of `feed` and the one of `finish`, joined, are exactly what
    `Tokenizer.decode` returns for all the tokens at once.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Start an empty stream."""
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, token_ids: Iterable[int]) -> str:
        """Return the text that these tokens complete; an incomplete character waits."""
        joined = b"".join(map(self._tokenizer.token_bytes, token_ids))
        return self._decoder.decode(joined)

    def finish(self) -> str:
        """End the stream, and return U+FFFD for an incomplete character."""
        return self._decoder.decode(b"", final=True)


def _without_surrogates(text: str) -> str:
    """Replace lone surrogates, which are no valid Unicode, by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
