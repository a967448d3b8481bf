"""Streams of tokens decode the same however they are cut."""

from collections.abc import Callable, Iterable
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.prompt.fast_tokenizer import FastTokenizer
from lsp_server.prompt.stream_decoder import StreamDecoder

CHUNKS = st.lists(st.lists(st.integers(0, 16_383), max_size=3), max_size=20)


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
    metaspace_tokenizer: Callable[[Iterable[str]], FastTokenizer],
) -> None:
    """Byte tokens of SentencePiece vocabularies make characters too."""
    tokenizer = metaspace_tokenizer(["<s>"])
    decoder = StreamDecoder(tokenizer)
    pieces = [decoder.feed([each]) for each in tokenizer.encode("é d")]
    assert ["", "é", " ", "d"] == pieces
