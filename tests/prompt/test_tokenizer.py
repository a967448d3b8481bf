"""Text goes in and plain ids come out; streams of tokens decode to whole characters."""

import tracemalloc
from collections.abc import Callable, Iterable
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.prompt.tokenizer import FastTokenizer, StreamDecoder

MakeTokenizer = Callable[[Iterable[str]], FastTokenizer]

FRAGMENTS = st.sampled_from(
    ["<|fim_prefix|>", "<|endoftext|>", "<|", "|>", "fim_", "def f():\n", "    ", "é"]
)
TEXTS = st.lists(FRAGMENTS | st.text(max_size=8), max_size=12).map("".join)
CHUNKS = st.lists(st.lists(st.integers(0, 16_383), max_size=3), max_size=20)


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


@settings(deadline=None)
@given(chunks=CHUNKS)
def test_pieces_join_to_the_whole(
    starter_tokenizer: FastTokenizer, chunks: list[list[int]]
) -> None:
    """All pieces together are what decoding all tokens at once gives."""
    decoder = StreamDecoder(starter_tokenizer)
    pieces = [decoder.feed(chunk) for chunk in chunks]
    whole = starter_tokenizer.decode(chain.from_iterable(chunks))
    assert whole == "".join(pieces) + decoder.finish()


@settings(deadline=None)
@given(text=st.text(max_size=40))
def test_text_comes_in_whole_characters(
    starter_tokenizer: FastTokenizer, text: str
) -> None:
    """No piece of a well-formed text ever shows half a character."""
    decoder = StreamDecoder(starter_tokenizer)
    pieces = [decoder.feed([each]) for each in starter_tokenizer.encode(text)]
    assert text == "".join(pieces)
    assert "" == decoder.finish()


def test_an_open_character_is_held_back(starter_tokenizer: FastTokenizer) -> None:
    """A character's first bytes give nothing until the last one comes, or the end."""
    first, *others = starter_tokenizer.encode("\U0001f600")
    assert others
    decoder = StreamDecoder(starter_tokenizer)
    assert "" == decoder.feed([first])
    assert "\U0001f600" == decoder.feed(others)
    assert "" == decoder.feed([first])
    assert "\ufffd" == decoder.finish()


def test_metaspace_bytes_join(
    metaspace_tokenizer: MakeTokenizer,
) -> None:
    """Byte tokens of SentencePiece vocabularies make characters too."""
    tokenizer = metaspace_tokenizer(["<s>"])
    decoder = StreamDecoder(tokenizer)
    pieces = [decoder.feed([each]) for each in tokenizer.encode("é d")]
    assert ["", "é", " ", "d"] == pieces
