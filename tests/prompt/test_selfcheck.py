"""Family and tokenizer are held against each other before anything is generated."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

from lsp_server.errors import UnsupportedModelError
from lsp_server.prompt.families import FAMILIES, find_family
from lsp_server.prompt.fim import FimFamily, Sentinel, Slot
from lsp_server.prompt.selfcheck import resolve_family
from lsp_server.prompt.tokenizer import FastTokenizer

MakeTokenizer = Callable[[Iterable[str]], FastTokenizer]

MIDFILL = find_family("midfill")


class LeakyTokenizer:
    """A tokenizer as most programs use it: text that spells a sentinel becomes it."""

    vocabulary_size = 300
    reserved_ids = frozenset(range(256, 300))

    def __init__(self, sentinel: str) -> None:
        self._sentinel = sentinel

    def encode(self, text: str) -> tuple[int, ...]:
        return (299,) if self._sentinel in text else tuple(text.encode())

    def encode_ahead(self, texts: Iterable[str]) -> None:
        pass

    def decode(self, token_ids: Iterable[int]) -> str:
        return bytes(token_ids).decode()

    def spell(self, token_ids: Iterable[int]) -> str:
        return self.decode(token_ids)

    def token_bytes(self, token_id: int) -> bytes:
        return bytes([token_id])

    def open_from(self, line: str) -> int:
        return len(line) - 1

    def starting_with(self, piece: bytes) -> bytes:
        raise NotImplementedError

    def spelling(self, piece: bytes) -> tuple[int, ...]:
        return tuple(piece)

    def token_id(self, token: str) -> int | None:
        others = [each for each in MIDFILL.sentinels if each != self._sentinel]
        return 299 if token == self._sentinel else 256 + others.index(token)


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("midfill", {}),
        ("midfill-marked-cursor", {"<|repo_name|>": 5, "<|file_sep|>": 6}),
    ],
)
def test_the_shipped_tokenizer_passes(
    starter_tokenizer: FastTokenizer, family: str, more: Mapping[str, int]
) -> None:
    """It has every sentinel of Midfill's own families."""
    resolved = resolve_family(starter_tokenizer, find_family(family))
    assert (0,) == resolved.stop_token_ids
    expected = {
        "<|endoftext|>": 0,
        "<|fim_prefix|>": 1,
        "<|fim_suffix|>": 3,
        "<|fim_middle|>": 2,
        **more,
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
    """A model without the family's tokens is refused, naming them."""
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


@pytest.mark.parametrize("sentinel", MIDFILL.sentinels)
def test_text_that_becomes_a_sentinel_is_found(sentinel: str) -> None:
    """A tokenizer through which a source file could steer the model is refused."""
    with pytest.raises(UnsupportedModelError, match="steer"):
        resolve_family(LeakyTokenizer(sentinel), MIDFILL)


@pytest.mark.parametrize(
    ("added", "what"),
    [
        # Spelt by merges, as a tokenizer trained on prompts might.
        ([], "ordinary token"),
        # One character, not special: taken for text, like DeepSeek-Coder's letters.
        ([(260, "S", False)], "ordinary token"),
        # Two names of one token.
        ([(260, "S", True), (260, "P", True)], "one token"),
    ],
)
def test_sentinels_that_are_not_set_apart_are_refused(
    tmp_path: Path, added: list[tuple[int, str, bool]], what: str
) -> None:
    """A name in the vocabulary is not enough: the token must be out of text's reach."""
    vocabulary = {chr(at): at for at in range(0x21, 0x7F)} | {"S": 260}
    definition = {
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
        "decoder": {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": False,
            "use_regex": False,
        },
        "added_tokens": [
            {
                "id": token_id,
                "content": content,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": special,
            }
            for token_id, content, special in added
        ],
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
    family = FimFamily(
        name="two",
        order=(Sentinel("S"), Slot.SUFFIX, Sentinel("P"), Slot.PREFIX),
        stop_tokens=("S",),
    )
    with pytest.raises(UnsupportedModelError, match=what):
        resolve_family(FastTokenizer(tmp_path), family)
