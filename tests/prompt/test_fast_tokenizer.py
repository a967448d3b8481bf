"""Plain text in, plain ids out: no text ever becomes a sentinel."""

import json
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.errors import ModelIntegrityError, UnsupportedModelError
from lsp_server.prompt.fast_tokenizer import FastTokenizer

MakeTokenizer = Callable[[Iterable[str]], FastTokenizer]

FRAGMENTS = st.sampled_from(
    ["<|fim_prefix|>", "<|endoftext|>", "<|", "|>", "fim_", "def f():\n", "    ", "é"]
)
TEXTS = st.lists(FRAGMENTS | st.text(max_size=8), max_size=12).map("".join)


@settings(deadline=None)
@given(text=TEXTS)
def test_text_round_trips(starter_tokenizer: FastTokenizer, text: str) -> None:
    """Decoding what was encoded gives the same text, to the character."""
    assert text == starter_tokenizer.decode(starter_tokenizer.encode(text))


@settings(deadline=None)
@given(text=TEXTS)
def test_no_text_becomes_a_sentinel(
    starter_tokenizer: FastTokenizer, text: str
) -> None:
    """However sentinels are spelt in a text, their ids do not come out."""
    assert starter_tokenizer.reserved_ids.isdisjoint(starter_tokenizer.encode(text))


def test_the_sentinels_are_reserved(starter_tokenizer: FastTokenizer) -> None:
    """The shipped tokenizer's seven sentinels are found by name, and only there."""
    assert frozenset(range(7)) == starter_tokenizer.reserved_ids
    assert 1 == starter_tokenizer.token_id("<|fim_prefix|>")
    assert starter_tokenizer.token_id("<|fim_prefix") is None
    assert 16_384 == starter_tokenizer.vocabulary_size
    assert b"" == starter_tokenizer.token_bytes(1)
    assert b"" == starter_tokenizer.token_bytes(10**6)


def test_lone_surrogates_become_replacement_characters(
    starter_tokenizer: FastTokenizer,
) -> None:
    """Half a surrogate pair, which JSON can carry, is encoded as U+FFFD."""
    ids = starter_tokenizer.encode("a\ud800b")
    assert "a\ufffdb" == starter_tokenizer.decode(ids)


def test_long_texts_are_encoded_like_short_ones(
    starter_tokenizer: FastTokenizer,
) -> None:
    """A text too long for the cache gives the same ids as its repeated part."""
    line = starter_tokenizer.encode("x = 1\n")
    assert line * 4000 == starter_tokenizer.encode("x = 1\n" * 4000)


@settings(deadline=None)
@given(texts=st.lists(TEXTS, max_size=8))
def test_what_is_encoded_ahead_has_the_same_ids(
    starter_tokenizer: FastTokenizer, texts: list[str]
) -> None:
    """Side by side or one by one, known or new: a text has its ids."""
    starter_tokenizer.forget()
    alone = [starter_tokenizer.encode(text) for text in texts]
    starter_tokenizer.forget()
    starter_tokenizer.encode_ahead(texts[::-1])
    starter_tokenizer.encode_ahead(texts)
    assert alone == [starter_tokenizer.encode(text) for text in texts]


def test_the_oldest_texts_are_given_up(starter_tokenizer: FastTokenizer) -> None:
    """However much is encoded, what is remembered stays small and keeps its use."""
    starter_tokenizer.forget()
    often = starter_tokenizer.encode("often = 1\n")
    for number in range(2000):
        starter_tokenizer.encode(f"x = {number}\n")
        assert often is starter_tokenizer.encode("often = 1\n")
    tracemalloc.start()
    for number in range(2000):
        starter_tokenizer.encode(f"y = {number}\n")
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 1_000_000


def test_added_tokens_that_are_not_special_are_reserved(
    byte_level_tokenizer: MakeTokenizer,
) -> None:
    """Qwen's FIM tokens are plain added tokens; text must not become them either."""
    tokenizer = byte_level_tokenizer(["<|fim_prefix|>", "<tool_call>"])
    text = "<|fim_prefix|><tool_call>"
    assert list(text.encode()) == [
        byte
        for token_id in tokenizer.encode(text)
        for byte in tokenizer.token_bytes(token_id)
    ]
    assert frozenset({256, 257}) == tokenizer.reserved_ids


def test_added_blanks_stay_text(byte_level_tokenizer: MakeTokenizer) -> None:
    """A run of blanks among the added tokens is code: Gemma's newlines are that."""
    tokenizer = byte_level_tokenizer(["<x>", "\n\n"])
    assert (257,) == tokenizer.encode("\n\n")
    assert "\n\n" == tokenizer.decode([257])
    assert frozenset({256}) == tokenizer.reserved_ids


def test_metaspace_text_has_no_leading_space(
    metaspace_tokenizer: MakeTokenizer,
) -> None:
    """SentencePiece's dummy space is gone, so pieces of a file join exactly."""
    tokenizer = metaspace_tokenizer(["\u2581<PRE>"])
    assert "def" == tokenizer.decode(tokenizer.encode("def"))
    assert b"def" == tokenizer.token_bytes(tokenizer.encode("def")[0])
    assert " def" == tokenizer.decode(tokenizer.encode(" def"))


def test_a_token_outside_of_the_byte_alphabet_is_its_own_text(
    byte_level_definition: dict[str, Any],
    definition_file: Callable[[object], Path],
) -> None:
    """A name in the vocabulary that is no row of bytes decodes to itself."""
    byte_level_definition["model"]["vocab"]["a b\u4e2d"] = 300
    tokenizer = FastTokenizer(definition_file(byte_level_definition))
    assert "a b\u4e2d" == tokenizer.decode([300])


def test_a_metaspace_pre_tokenizer_adds_no_space_either(
    byte_level_definition: dict[str, Any],
    definition_file: Callable[[object], Path],
) -> None:
    """Newer SentencePiece files put the space in front in another place.

    They have no bytes to fall back on, and an added name is text like any other.
    """
    metaspace = {
        "type": "Metaspace",
        "replacement": "\u2581",
        "prepend_scheme": "always",
        "split": False,
    }
    vocabulary = {char: at for at, char in enumerate("\u2581def")}
    byte_level_definition |= {
        "normalizer": None,
        "pre_tokenizer": metaspace,
        "decoder": metaspace,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }
    tokenizer = FastTokenizer(definition_file(byte_level_definition))
    assert (1, 2, 3) == tokenizer.encode("def")
    assert (1, 0, 2) == tokenizer.encode("d e")
    assert " fed" == tokenizer.decode([0, 3, 2, 1])


@settings(deadline=None)
@given(text=st.text(max_size=30))
def test_metaspace_text_round_trips(
    metaspace_tokenizer: MakeTokenizer, text: str
) -> None:
    """Bytes stand in for characters that the vocabulary lacks."""
    tokenizer = metaspace_tokenizer(["\u2581<PRE>"])
    # U+2581 is SentencePiece's own spelling of a space.
    expected = text.replace("\u2581", " ")
    assert expected == tokenizer.decode(tokenizer.encode(text))


def test_sentinels_in_the_vocabulary_are_unreachable(
    metaspace_tokenizer: MakeTokenizer,
) -> None:
    """A sentinel that stands in the vocabulary itself is not made of text either."""
    tokenizer = metaspace_tokenizer(["\u2581<PRE>", "<s>"])
    for text in ("\u2581<PRE>", " <PRE>", "<s>", "x <PRE><s>"):
        assert tokenizer.reserved_ids.isdisjoint(tokenizer.encode(text))
    assert 1 == tokenizer.token_id("\u2581<PRE>")


def test_unknown_characters_do_not_become_reserved_tokens(
    byte_level_definition: dict[str, Any],
    definition_file: Callable[[object], Path],
) -> None:
    """A character that the model cannot read is left out, not made `<unk>`."""
    del byte_level_definition["model"]["vocab"]["x"]
    byte_level_definition["model"]["vocab"]["<unk>"] = 300
    byte_level_definition["model"] |= {"unk_token": "<unk>"}
    byte_level_definition["added_tokens"] = [_added(300, "<unk>")]
    tokenizer = FastTokenizer(definition_file(byte_level_definition))
    assert "ab" == tokenizer.decode(tokenizer.encode("axb"))


def _added(token_id: int, content: str) -> dict[str, object]:
    return {
        "id": token_id,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }


@pytest.fixture
def byte_level_definition(starter_folder: Path) -> dict[str, Any]:
    """The shipped definition, ready to be broken, with single bytes only."""
    text = (starter_folder / "tokenizer.json").read_text(encoding="utf-8")
    definition: dict[str, Any] = json.loads(text)
    vocabulary = definition["model"]["vocab"]
    definition["model"]["vocab"] = {k: v for k, v in vocabulary.items() if len(k) == 1}
    definition["model"]["merges"] = []
    definition["added_tokens"] = []
    return definition


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("model", None, "no usable 'model'"),
        ("added_tokens", None, "no usable 'added_tokens'"),
        ("added_tokens", ["x"], "not an object"),
        ("added_tokens", [{"id": "1"}], "no usable 'id'"),
        ("model", {"type": "BPE", "vocab": {"a": "b"}, "merges": []}, "number"),
        ("normalizer", {"type": "Nonsense"}, "refuses"),
    ],
)
def test_damaged_definitions_are_told(
    byte_level_definition: dict[str, Any],
    definition_file: Callable[[object], Path],
    key: str,
    value: object,
    what: str,
) -> None:
    """A file that is not what it should be is called damaged, with what is wrong."""
    byte_level_definition[key] = value
    with pytest.raises(ModelIntegrityError, match=what):
        FastTokenizer(definition_file(byte_level_definition))


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("model", {"type": "Unigram", "vocab": []}, "byte-pair"),
        ("decoder", {"type": "WordPiece"}, "byte-level nor metaspace"),
        ("decoder", None, "byte-level nor metaspace"),
    ],
)
def test_other_kinds_of_tokenizer_are_refused(
    byte_level_definition: dict[str, Any],
    definition_file: Callable[[object], Path],
    key: str,
    value: object,
    what: str,
) -> None:
    """A tokenizer that cannot be decoded byte by byte is refused, with the reason."""
    byte_level_definition[key] = value
    with pytest.raises(UnsupportedModelError, match=what):
        FastTokenizer(definition_file(byte_level_definition))


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_unreadable_definitions_are_told(tmp_path: Path, content: str) -> None:
    """A file that is no JSON object is called damaged."""
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelIntegrityError):
        FastTokenizer(tmp_path)


def test_a_missing_definition_is_told(tmp_path: Path) -> None:
    """A folder without a tokenizer is called damaged."""
    with pytest.raises(ModelIntegrityError, match="cannot be read"):
        FastTokenizer(tmp_path)
