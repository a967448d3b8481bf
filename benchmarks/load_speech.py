"""Text for a model of random weights, so that its answers are treated as real ones.

Of random weights the times are right and the text is none: the server's filters drop
it, and its stop rule and confidence gate end it after a few tokens. Here the engine
computes every token all the same, and what the server reads in its place is one long
name of distinct words: nothing in it ends early. How many tokens an answer has is drawn
from 8 to 32, by its prompt, as long as the lines that people accept.
"""

import dataclasses
import random
import zlib
from array import array
from collections.abc import Sequence

from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.values import FinishReason, GenerationRequest, TokenDelta

__all__ = ["Speech"]

_LEAST_TOKENS, _MOST_TOKENS = 8, 32

_WORDS = (
    "amber birch cedar delta ember fjord grove harbor island juniper kernel lagoon "
    "meadow nebula orchid prairie quartz ripple summit timber umbra valley willow "
    "xenon yonder zephyr"
)


class Speech:
    """What is read of random tokens.

    Args:
        tokenizer: The server's.
    """

    def __init__(self, tokenizer: FastTokenizer) -> None:
        """Encode the text once."""
        self._ids = tokenizer.encode("_".join(_WORDS.split()))
        if len(self._ids) < _MOST_TOKENS:
            raise ValueError("the text has too few tokens")

    def limited(self, request: GenerationRequest) -> GenerationRequest:
        """Return the request with the length that its answer will have."""
        return dataclasses.replace(
            request,
            max_tokens=min(request.max_tokens, self.length_for(request.token_ids)),
            stop_token_ids=(),
        )

    def length_for(self, token_ids: Sequence[int]) -> int:
        """Return of how many tokens the answer to a prompt is."""
        seed = zlib.crc32(array("q", token_ids))
        return random.Random(seed).randint(_LEAST_TOKENS, _MOST_TOKENS)  # noqa: S311 - a simulation's seed

    def first(self, count: int) -> tuple[int, ...]:
        """Return the first tokens of what it says."""
        return tuple(self._ids[:count])

    def say(self, delta: TokenDelta, said_tokens: int) -> TokenDelta:
        """Return a delta with text in place of its tokens, sure and at its right end.

        Args:
            delta: The engine's.
            said_tokens: How many tokens came before.
        """
        count = len(delta.token_ids)
        is_over = delta.finish_reason is FinishReason.LENGTH
        return dataclasses.replace(
            delta,
            token_ids=self._ids[said_tokens : said_tokens + count],
            logprobs=(0.0,) * len(delta.logprobs),
            finish_reason=FinishReason.STOP if is_over else delta.finish_reason,
        )
