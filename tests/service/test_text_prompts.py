"""Prompts for clients that send text: fills, continuations, raw ones and tokens."""

from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from lsp_server.config import SHIPPED_MODEL, PromptConfig
from lsp_server.errors import PromptError, PromptTooLongError
from lsp_server.modelstore.locate import shipped_models
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.prompt.families import FAMILIES, find_family
from lsp_server.prompt.fim import Sentinel
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.service.text_prompts import TextPrompts
from lsp_server.values import Snippet

MODEL = shipped_models()[SHIPPED_MODEL]


@pytest.fixture
def model(tokenizer: FastTokenizer) -> LoadedModel:
    """The shipped model, but for its weights."""
    return LoadedModel(
        folder=MODEL,
        manifest=load_manifest(MODEL),
        family=find_family(load_manifest(MODEL).family),
        tokenizer=tokenizer,
    )


@pytest.fixture
def prompts(model: LoadedModel) -> TextPrompts:
    """Prompts for the shipped model, without token healing."""
    return TextPrompts(model, PromptConfig(healing=False), max_model_len=2048)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_family_fills(name: str, model: LoadedModel, tmp_path: Path) -> None:
    """Prefix and suffix are in the family's own format, and code stays text."""
    family = FAMILIES[name]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    library = Tokenizer(models.BPE({char: at for at, char in enumerate(alphabet)}, []))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    library.add_special_tokens([AddedToken(each) for each in family.sentinels])
    library.save(str(tmp_path / "tokenizer.json"))
    tokenizer = FastTokenizer(tmp_path)
    made = TextPrompts(
        replace(model, family=family, tokenizer=tokenizer),
        PromptConfig(healing=False),
        max_model_len=512,
    )
    code = f"before{family.sentinels[-1]}"
    snippet = Snippet(path="b.py", text="elsewhere", score=1)
    filled = made.fill(code, "after", max_tokens=16, snippets=[snippet])
    spelt = tokenizer.spell(filled.prompt.token_ids)
    order = [part.token for part in family.order if isinstance(part, Sentinel)]
    for text in (code, "after", *order):
        assert text in spelt
    assert bool(family.snippet) == ("elsewhere" in spelt)
    ids = [tokenizer.token_id(token) for token in family.stop_tokens]
    assert tuple(ids) == filled.prompt.stop_token_ids
    assert not filled.is_cut
    continued = made.continue_text("before", max_tokens=16).prompt
    assert family.begin_token + "before" == tokenizer.spell(continued.token_ids)


def test_a_fill_takes_all_that_fits_and_cuts_the_rest(prompts: TextPrompts) -> None:
    """A long suffix behind a short prefix is not cut before the model is full."""
    suffix = "\nvalue = 1" * 300
    whole = prompts.fill("x = ", suffix, max_tokens=16)
    assert not whole.is_cut
    cut = prompts.fill("x = ", suffix * 20, max_tokens=4096)
    assert cut.is_cut
    assert 1400 < len(cut.prompt.token_ids)
    assert 2048 == len(cut.prompt.token_ids) + cut.max_tokens
    both = prompts.fill(suffix * 20, suffix * 20, max_tokens=16)
    less = prompts.fill(suffix * 20, suffix * 20, max_tokens=16, is_reduced=True)
    assert len(less.prompt.token_ids) < len(both.prompt.token_ids) * 0.6


def test_healing_holds_what_is_typed(model: LoadedModel) -> None:
    """The last word is held in fills and continuations, and raw prompts are left."""
    prompts = TextPrompts(model, PromptConfig(), max_model_len=2048)
    filled = prompts.fill("return tot", "\n", max_tokens=8).prompt
    continued = prompts.continue_text("return tot", max_tokens=8).prompt
    raw = prompts.raw("return tot", max_tokens=8).prompt
    assert filled.hold is not None
    assert continued.hold is not None
    assert " tot" == filled.hold.text == continued.hold.text
    assert raw.hold is None


def test_only_a_raw_prompt_holds_control_tokens(
    prompts: TextPrompts, tokenizer: FastTokenizer
) -> None:
    """The same text is a FIM prompt in raw mode, and plain text in every other."""
    text = "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"
    begin = tokenizer.token_id("<|endoftext|>")
    raw = prompts.raw(text, max_tokens=8).prompt.token_ids
    assert begin == raw[0]
    assert {0, 1, 2, 3} == tokenizer.reserved_ids.intersection(raw)
    assert raw == prompts.raw(f"<|endoftext|>{text}", max_tokens=8).prompt.token_ids
    plain = prompts.continue_text(text, max_tokens=8).prompt.token_ids
    assert tokenizer.reserved_ids.isdisjoint(plain[1:])
    assert text == tokenizer.decode(plain)


def test_tokens_are_taken_with_control_tokens_only_in_raw_mode(
    prompts: TextPrompts,
) -> None:
    """Tokens could spell what text cannot, so they are held to the same rule."""
    assert (0, 1, 99) == (
        prompts.tokens([1, 99], is_raw=True, max_tokens=8).prompt.token_ids
    )
    with pytest.raises(PromptError, match="control tokens"):
        prompts.tokens([1, 99], is_raw=False, max_tokens=8)
    with pytest.raises(PromptError, match="not one of the model's"):
        prompts.tokens([99, 1_000_000], is_raw=True, max_tokens=8)


@pytest.mark.parametrize("length", [2048, 100_000])
def test_what_cannot_fit_is_refused(prompts: TextPrompts, length: int) -> None:
    """A prompt without a suffix is not cut behind the client's back."""
    with pytest.raises(PromptTooLongError, match="only a prompt with a suffix is cut"):
        prompts.continue_text("x\n" * length, max_tokens=8)
    with pytest.raises(PromptTooLongError):
        prompts.tokens([99] * length, is_raw=False, max_tokens=8)


def test_output_is_limited_to_what_fits(prompts: TextPrompts) -> None:
    """More tokens than there is room for are as many as there is room for."""
    asked = prompts.continue_text("x = 1", max_tokens=4096)
    assert 2048 == len(asked.prompt.token_ids) + asked.max_tokens


@pytest.mark.parametrize("text", ["", "<|endoftext|>"])
def test_an_empty_prompt_is_the_start_of_a_file(
    prompts: TextPrompts, text: str
) -> None:
    """The shipped model has a token for the start of a text."""
    if text:
        assert (0,) == prompts.raw(text, max_tokens=8).prompt.token_ids
    else:
        assert (0,) == prompts.continue_text(text, max_tokens=8).prompt.token_ids
        with pytest.raises(PromptError, match="empty"):
            prompts.raw(text, max_tokens=8)
