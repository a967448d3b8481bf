"""Family and tokenizer are held against each other before anything is generated."""

from collections.abc import Callable, Iterable

import pytest

from lsp_server.errors import UnsupportedModelError
from lsp_server.prompt.families import FAMILIES, find_family
from lsp_server.prompt.fast_tokenizer import FastTokenizer
from lsp_server.prompt.fim import FimFamily
from lsp_server.prompt.selfcheck import resolve_family

MakeTokenizer = Callable[[Iterable[str]], FastTokenizer]


class LeakyTokenizer:
    """A tokenizer as most programs use it: text that spells a sentinel becomes it."""

    vocabulary_size = 300
    reserved_ids = frozenset[int]()

    def __init__(self, sentinel: str) -> None:
        self._sentinel = sentinel

    def encode(self, text: str) -> tuple[int, ...]:
        return (299,) if self._sentinel in text else tuple(text.encode())

    def decode(self, token_ids: Iterable[int]) -> str:
        return bytes(token_ids).decode()

    def token_bytes(self, token_id: int) -> bytes:
        return bytes([token_id])

    def token_id(self, token: str) -> int | None:
        return 299 if token == self._sentinel else 256 + len(token)


def test_the_shipped_model_passes(starter_tokenizer: FastTokenizer) -> None:
    """The shipped tokenizer has every sentinel of its family."""
    resolved = resolve_family(starter_tokenizer, find_family("midfill"))
    assert (0,) == resolved.stop_token_ids
    expected = {
        "<|endoftext|>": 0,
        "<|fim_prefix|>": 1,
        "<|fim_suffix|>": 3,
        "<|fim_middle|>": 2,
    }
    assert expected == dict(resolved.sentinel_ids)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_every_family_passes_with_its_tokens(
    byte_level_tokenizer: MakeTokenizer, family: FimFamily
) -> None:
    """A tokenizer that has a family's tokens passes, special or not."""
    tokenizer = byte_level_tokenizer(family.sentinels)
    resolved = resolve_family(tokenizer, family)
    assert set(family.sentinels) == set(resolved.sentinel_ids)


@pytest.mark.parametrize("name", ["codellama", "codestral"])
def test_sentencepiece_families_pass(
    metaspace_tokenizer: MakeTokenizer, name: str
) -> None:
    """Sentinels with SentencePiece's space in their names cannot be spelt either."""
    family = find_family(name)
    resolve_family(metaspace_tokenizer(family.sentinels), family)


@pytest.mark.parametrize("name", ["starcoder2", "codestral", "qwen3-coder"])
def test_missing_sentinels_are_named(
    starter_tokenizer: FastTokenizer, name: str
) -> None:
    """A model without the family's tokens is refused, and told which are missing."""
    family = find_family(name)
    missing = next(
        each for each in family.sentinels if starter_tokenizer.token_id(each) is None
    )
    with pytest.raises(UnsupportedModelError) as caught:
        resolve_family(starter_tokenizer, family)
    assert missing in caught.value.what


def test_a_model_without_fim_tokens_is_refused(
    byte_level_tokenizer: MakeTokenizer,
) -> None:
    """A plain language model is refused for its lack of FIM tokens."""
    tokenizer = byte_level_tokenizer(["<|endoftext|>"])
    with pytest.raises(UnsupportedModelError, match="fill in the middle"):
        resolve_family(tokenizer, find_family("qwen2.5-coder"))


@pytest.mark.parametrize("sentinel", find_family("midfill").sentinels)
def test_text_that_becomes_a_sentinel_is_found(sentinel: str) -> None:
    """A tokenizer through which a source file could steer the model is refused."""
    with pytest.raises(UnsupportedModelError, match="steer"):
        resolve_family(LeakyTokenizer(sentinel), find_family("midfill"))
