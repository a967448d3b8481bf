"""The tokenizer of a model folder, on the ``tokenizers`` library."""

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer as LibraryTokenizer

from lsp_server.errors import ModelIntegrityError
from lsp_server.prompt.definition import TokenizerDefinition
from lsp_server.prompt.pieces import token_pieces
from lsp_server.prompt.token_index import TokenIndex

__all__ = ["FastTokenizer"]

_KNOWN_TEXTS = 512
"""Texts whose ids are remembered; a prompt has about thirty that come again."""

_LONGEST_KNOWN_CHARS = 16_384

_LAST_WORD = re.compile(r"\s?(?:[^\w\s]?\w+|[^\w\s]+)\Z|\s+\Z")
"""A word or an operator with what may be in front of it in a token, or blanks."""


class FastTokenizer:
    """Reads ``tokenizer.json`` and keeps plain text and reserved tokens apart.

    Blocks of a file that have not changed since the last key are not encoded again.
    One thread at a time may ask.
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
        self._reserved = {t.token_id: t.content for t in definition.reserved}
        self._reserved_ids = frozenset(self._reserved)
        self._pieces = token_pieces(definition)
        self._index = TokenIndex(self._pieces)
        self._known: OrderedDict[str, tuple[int, ...]] = OrderedDict()

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
        ids = self._known.get(text)
        if ids is not None:
            self._known.move_to_end(text)
            return ids
        [ids] = self._encode([text])
        self._remember(text, ids)
        return ids

    def encode_ahead(self, texts: Iterable[str]) -> None:
        """Encode texts that will be asked for, side by side on several cores.

        One after the other where the environment has ``TOKENIZERS_PARALLELISM=false``.
        """
        new = [
            text
            for text in dict.fromkeys(texts)
            if text not in self._known and len(text) <= _LONGEST_KNOWN_CHARS
        ]
        if new:
            for text, ids in zip(new, self._encode(new), strict=True):
                self._remember(text, ids)

    def forget(self) -> None:
        """Remember no text any more."""
        self._known.clear()

    def decode(self, token_ids: Iterable[int]) -> str:
        """Give the text of ``token_ids``; reserved and unknown ids have none."""
        pieces = b"".join(map(self.token_bytes, token_ids))
        return pieces.decode("utf-8", errors="replace")

    def spell(self, token_ids: Iterable[int]) -> str:
        """Give the text of ``token_ids`` for people: reserved ids by their names."""
        pieces = (
            self._reserved[each].encode()
            if each in self._reserved
            else self.token_bytes(each)
            for each in token_ids
        )
        return b"".join(pieces).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """Give the UTF-8 bytes of one token; none of a reserved or unknown one."""
        return self._pieces.get(token_id, b"")

    def open_from(self, line: str) -> int:
        """Return from where on the tokens of ``line`` hang on what comes behind it.

        Tokens never reach over the pieces that a pre-tokenizer makes. One that makes
        none, as SentencePiece's, still begins a word with the blank in front of it.
        """
        splitter = self._plain.pre_tokenizer
        pieces = splitter.pre_tokenize_str(line) if splitter else []
        if pieces and pieces[-1][1][0]:
            return int(pieces[-1][1][0])
        word = _LAST_WORD.search(line)
        return word.start() if word else len(line) - 1

    def starting_with(self, piece: bytes) -> bytes:
        """Return a mask of the tokens whose bytes begin with ``piece``."""
        return self._index.starting_with(piece)

    def spelling(self, piece: bytes) -> tuple[int, ...]:
        """Return the tokens whose bytes are exactly ``piece``."""
        return self._index.spelling(piece)

    def token_id(self, token: str) -> int | None:
        """Give the id of the token of exactly this name; None where there is none."""
        return self._ids.get(token)

    def _remember(self, text: str, ids: tuple[int, ...]) -> None:
        """Keep the ids of a text, in place of those that were asked for longest ago."""
        if len(text) > _LONGEST_KNOWN_CHARS:
            return
        self._known[text] = ids
        if len(self._known) > _KNOWN_TEXTS:
            self._known.popitem(last=False)

    def _encode(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        # The only call of the library that computes no offsets, a sixth of the time.
        encodings = self._plain.encode_batch_fast(
            [_without_surrogates(text) for text in texts], add_special_tokens=False
        )
        return [self._without_reserved(encoding.ids) for encoding in encodings]

    def _without_reserved(self, ids: list[int]) -> tuple[int, ...]:
        if self._reserved_ids.isdisjoint(ids):
            return tuple(ids)
        # Only an unknown token gets here: a character that the model cannot read.
        return tuple(each for each in ids if each not in self._reserved_ids)


def _without_surrogates(text: str) -> str:
    """Write lone surrogates, which are in no Unicode text, as U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
