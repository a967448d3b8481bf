"""Samples have the shape of what the model will meet."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lsp_server.errors import ConfigError, UnsupportedModelError
from lsp_server.prompt.families import find_family
from lsp_server.prompt.tokenizer import FastTokenizer
from training.quantize.calibration import Sample, make_samples

TEXT = "".join(
    f"def f{n}(a, b):\n    c = a * b\n    return c + {n}\n\n" for n in range(80)
)
END, PREFIX, MIDDLE, SUFFIX = 0, 1, 2, 3


def samples_of(
    tokenizer: FastTokenizer,
    *,
    texts: tuple[str, ...] = (TEXT,),
    count: int = 12,
    sample_tokens: int = 200,
    seed: int = 0,
    family: str = "midfill",
) -> tuple[Sample, ...]:
    """Make samples with the values that most tests want."""
    return make_samples(
        texts,
        tokenizer=tokenizer,
        family=find_family(family),
        count=count,
        sample_tokens=sample_tokens,
        seed=seed,
    )


@pytest.fixture
def tokenizer(tiny_source: Path) -> FastTokenizer:
    """Return the tiny checkpoint's tokenizer: a token per byte."""
    return FastTokenizer(tiny_source)


def test_puts_the_parts_in_the_familys_order(tokenizer: FastTokenizer) -> None:
    """Ours reads suffix, prefix, middle, end; joined they are the source text."""
    for sample in samples_of(tokenizer):
        ids = sample.token_ids
        assert (END, PREFIX, SUFFIX) == ids[:3]
        assert END == ids[-1]
        at = ids.index(MIDDLE)
        suffix = tokenizer.decode(ids[3:at])
        before = tokenizer.decode(ids[at + 1 : sample.middle_start])
        middle = tokenizer.decode(ids[sample.middle_start : -1])
        assert middle
        assert before + middle in TEXT
        assert suffix in TEXT


def test_follows_another_family(tokenizer: FastTokenizer) -> None:
    """Qwen's order has the prefix first and its own token before the middle."""
    for sample in samples_of(tokenizer, family="qwen2.5-coder"):
        ids = sample.token_ids
        assert PREFIX == ids[0]
        assert MIDDLE == ids[sample.middle_start - 1]
        assert ids.index(SUFFIX) < sample.middle_start


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.text(min_size=1).filter(str.strip),
    sample_tokens=st.integers(min_value=110, max_value=300),
    seed=st.integers(),
)
def test_no_sample_is_too_long(
    tokenizer: FastTokenizer, text: str, sample_tokens: int, seed: int
) -> None:
    """Whatever the text, a sample fits, has a middle, and ends with the end token."""
    made = samples_of(
        tokenizer, texts=(text, TEXT), sample_tokens=sample_tokens, seed=seed, count=4
    )
    assert 4 == len(made)
    for sample in made:
        assert len(sample.token_ids) <= sample_tokens
        assert sample.middle_start < len(sample.token_ids) - 1
        assert END == sample.token_ids[-1]


def test_depends_on_the_seed_alone(tokenizer: FastTokenizer) -> None:
    """The same seed gives the same tokens; another gives others."""
    assert samples_of(tokenizer, seed=1) == samples_of(tokenizer, seed=1)
    assert samples_of(tokenizer, seed=1) != samples_of(tokenizer, seed=2)


def test_cuts_lines_and_spans(tokenizer: FastTokenizer) -> None:
    """Middles within a line, of whole lines, and across lines all occur."""
    middles = [
        tokenizer.decode(each.token_ids[each.middle_start : -1])
        for each in samples_of(tokenizer, count=60)
    ]
    assert any("\n" not in middle for middle in middles)
    assert any("\n" in middle for middle in middles)
    assert any(middle.startswith("def ") for middle in middles)
    assert len(set(map(len, middles))) > 20


def test_texts_take_turns(tokenizer: FastTokenizer) -> None:
    """No text is used twice before every other was used once."""
    texts = tuple(chr(ord("a") + n) * 500 for n in range(6))
    letters = [
        tokenizer.decode(each.token_ids[each.middle_start : -1])[0]
        for each in samples_of(tokenizer, texts=texts, count=6)
    ]
    assert all(first < second for first, second in pairwise(letters))


def test_refuses_a_family_that_does_not_fit(tokenizer: FastTokenizer) -> None:
    """A model without the family's tokens cannot be calibrated for it."""
    with pytest.raises(UnsupportedModelError):
        samples_of(tokenizer, family="starcoder2")


def test_refuses_samples_without_room(tokenizer: FastTokenizer) -> None:
    """Samples of a few tokens hold nothing but sentinels."""
    with pytest.raises(ConfigError):
        samples_of(tokenizer, sample_tokens=3)
