"""Calibration samples: fill-in-the-middle prompts, each followed by its middle.

A model is quantised best on what it will read. So each sample is a prompt as the
server builds it for the model's family, with the missing text and the end token
appended.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from lsp_server.config import PromptConfig
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.prompt.fim import FimFamily
from lsp_server.prompt.tokenizer import Tokenizer
from lsp_server.values import Snapshot, Window

__all__ = ["MIN_SAMPLE_TOKENS", "Sample", "make_samples"]

MIN_SAMPLE_TOKENS = 128
"""Room for the longest middle, end token, sentinels, and some code around it."""

_MAX_MIDDLE_TOKENS = 96
_MAX_SPAN_CHARS = 240
_MAX_LINES = 6
_CHARS_PER_TOKEN = 12
"""More than any tokenizer averages over a window of code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sequence of tokens.

    Attributes:
        token_ids: Prompt, middle and end token.
        middle_start: Index of the middle's first token.
    """

    token_ids: tuple[int, ...]
    middle_start: int


def make_samples(
    texts: Sequence[str],
    *,
    tokenizer: Tokenizer,
    family: FimFamily,
    count: int,
    sample_tokens: int,
    seed: int,
) -> tuple[Sample, ...]:
    """Make ``count`` samples of at most ``sample_tokens`` tokens each.

    Texts alternate, and so do the kinds of middles: the rest of a line, whole lines,
    and a span with any start and end.

    Args:
        texts: Source files.
        tokenizer: The model's tokenizer.
        family: The model's prompt format.
        count: Number of samples.
        sample_tokens: Maximum tokens of a sample.
        seed: The same seed gives the same samples.

    Raises:
        UnsupportedModelError: Family and tokenizer do not fit.
        ConfigError: ``sample_tokens`` leaves no room for code.
    """
    rng = random.Random(seed)  # noqa: S311  # chooses text, guards nothing
    builder = PromptBuilder(
        tokenizer=tokenizer,
        family=family,
        config=PromptConfig(max_prompt_tokens=sample_tokens, healing=False),
        max_model_len=sample_tokens,
        windows=_ExactWindows(tokenizer),
    )
    cuts = _cuts(texts, rng)
    return tuple(
        _make_sample(cut, builder=builder, tokenizer=tokenizer)
        for cut in islice(cuts, count)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    text: str
    start: int
    end: int


class _ExactWindows:
    """Fills the budget to the last token with the nearest ones on both sides."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def choose(
        self, snapshot: Snapshot, *, total_tokens: int, suffix_tokens: int
    ) -> Window:
        reach = total_tokens * _CHARS_PER_TOKEN
        after = self._tokenizer.encode(snapshot.after[:reach])[:suffix_tokens]
        before = self._tokenizer.encode(snapshot.before[-reach:])
        left = total_tokens - len(after)
        return Window(
            prefix_ids=before[-left:] if left else (),
            suffix_ids=after,
        )


def _cuts(texts: Sequence[str], rng: random.Random) -> Iterator[_Cut]:
    """Yield texts with a middle cut out, endlessly."""
    kinds = cycle((_rest_of_line, _whole_lines, _span))
    for text, choose in zip(cycle(texts), kinds, strict=False):
        start, end = choose(text, rng)
        if text[start:end].strip():
            yield _Cut(text=text, start=start, end=end)


def _rest_of_line(text: str, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(text))
    end = text.find("\n", start)
    return start, len(text) if end < 0 else end


def _whole_lines(text: str, rng: random.Random) -> tuple[int, int]:
    """Cut whole lines, but leave the first one's indentation, as an editor sets it."""
    start = text.rfind("\n", 0, rng.randrange(len(text))) + 1
    while start < len(text) and text[start] in " \t":
        start += 1
    end = start
    for _ in range(rng.randint(1, _MAX_LINES)):
        next_end = text.find("\n", end + 1)
        end = len(text) if next_end < 0 else next_end
    return start, end


def _span(text: str, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(text))
    return start, min(len(text), start + rng.randint(1, _MAX_SPAN_CHARS))


def _make_sample(cut: _Cut, *, builder: PromptBuilder, tokenizer: Tokenizer) -> Sample:
    middle = tokenizer.encode(cut.text[cut.start : cut.end])[:_MAX_MIDDLE_TOKENS]
    snapshot = Snapshot(
        uri="file:///module.py",
        language_id="python",
        version=1,
        text=cut.text[: cut.start] + cut.text[cut.end :],
        offset=cut.start,
    )
    prompt = builder.build(snapshot, max_output_tokens=len(middle) + 1)
    return Sample(
        token_ids=(*prompt.token_ids, *middle, prompt.stop_token_ids[0]),
        middle_start=len(prompt.token_ids),
    )
