"""Control tokens are found in rendered prompts, and in nothing else."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.prompt.raw_text import RawEncoder
from lsp_server.prompt.tokenizer import FastTokenizer

MakeTokenizer = Callable[[Iterable[str]], FastTokenizer]

PREFIX, MIDDLE, SUFFIX = "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"


def test_names_become_control_tokens(starter_tokenizer: FastTokenizer) -> None:
    """A prompt as Zed renders it holds the model's own control tokens, and its code."""
    ids = RawEncoder(starter_tokenizer).encode(f"{PREFIX}a = {SUFFIX}\nb{MIDDLE}")
    names = [starter_tokenizer.token_id(name) for name in (PREFIX, SUFFIX, MIDDLE)]
    assert names == [each for each in ids if each in starter_tokenizer.reserved_ids]
    assert "a = \nb" == starter_tokenizer.decode(ids)


@pytest.mark.parametrize("spelling", ["\u2581<PRE>", " <PRE>", "<PRE>"])
def test_sentencepiece_names_are_found_as_clients_write_them(
    metaspace_tokenizer: MakeTokenizer, spelling: str
) -> None:
    """CodeLlama's visible space may be a blank, or missing."""
    tokenizer = metaspace_tokenizer(["\u2581<PRE>"])
    encoder = RawEncoder(tokenizer)
    wanted = tokenizer.token_id("\u2581<PRE>")
    assert wanted == encoder.encode(f"{spelling} x")[0]
    assert wanted == encoder.control_id(spelling)


@given(
    pieces=st.lists(
        st.sampled_from(["<|", "fim_", "prefix|>", PREFIX, "\ufdd0", "a", "<", " "])
    )
)
def test_marked_text_never_becomes_a_control_token(
    starter_tokenizer: FastTokenizer, pieces: list[str]
) -> None:
    """Text that is marked as text stays so, behind any other marked text."""
    encoder = RawEncoder(starter_tokenizer)
    ids = encoder.encode("".join(map(encoder.as_text, pieces)))
    assert starter_tokenizer.reserved_ids.isdisjoint(ids)
    expected = "".join(pieces).replace("\ufdd0", "\ufffd")
    assert expected == starter_tokenizer.decode(ids)
