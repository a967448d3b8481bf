"""How fast an engine with continuous batching is, and what its prefix cache holds.

vLLM works in steps: each one gives every running request a token, and reads prompts of
waiting ones as far as its budget of tokens goes. So a request takes the longer the more
others are in the engine. The scripted engine can work at such a speed, and the
simulation of many typists (`benchmarks.capacity`) computes with it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Self

__all__ = ["H200_7B", "EngineSpeed", "KeptPrompts"]

_BLOCK_TOKENS = 16
"""The prefix cache knows whole blocks of so many tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpeed:
    """What the parts of an engine's step cost.

    Attributes:
        step_ms: A step that decodes for one request.
        prefill_step_ms: Added to a step that reads any prompt.
        decode_ms: Added for each request that decodes.
        prompt_token_ms: Added for each prompt token that is read.
        begin_ms: Added for each request whose prompt begins to be read.
        submit_ms: Until a request is handed over; the next one waits for that.
        arrive_ms: Until a request that was handed over can be scheduled.
        step_tokens: Most tokens of one step.
        kept_tokens: Prompt tokens that the prefix cache holds.
    """

    step_ms: float
    prefill_step_ms: float
    decode_ms: float
    prompt_token_ms: float
    begin_ms: float
    submit_ms: float
    arrive_ms: float
    step_tokens: int
    kept_tokens: int

    def step_takes_ms(self, *, decoding: int, prompt_tokens: int, begun: int) -> float:
        """Return how long a step takes.

        Args:
            decoding: Requests that get a token.
            prompt_tokens: Prompt tokens that are read.
            begun: Requests whose prompt begins to be read.
        """
        return (
            self.step_ms
            + (self.prefill_step_ms if prompt_tokens else 0.0)
            + self.decode_ms * decoding
            + self.prompt_token_ms * prompt_tokens
            + self.begin_ms * begun
        )

    def slice(self, parts: int) -> Self:
        """Return the speed of one of so many equal parts of the engine.

        A request is as fast as on the whole engine with ``parts`` times as many
        requests: it stands for that many.
        """
        return replace(
            self,
            decode_ms=self.decode_ms * parts,
            prompt_token_ms=self.prompt_token_ms * parts,
            begin_ms=self.begin_ms * parts,
            submit_ms=self.submit_ms * parts,
            step_tokens=max(1, self.step_tokens // parts),
            kept_tokens=max(1, self.kept_tokens // parts),
        )


H200_7B = EngineSpeed(
    step_ms=3.6,
    prefill_step_ms=4.4,
    decode_ms=0.024,
    prompt_token_ms=0.018,
    begin_ms=1.0,
    submit_ms=0.7,
    arrive_ms=1.7,
    step_tokens=8192,
    kept_tokens=2_100_000,
)
"""vLLM 0.32 on one H200 with a model of Qwen2.5-Coder-7B's shape, GPTQ 4 bit.

Fitted to what was measured, see `benchmarks.capacity_measured`. The kept tokens are
computed: 57,344 bytes each in 0.9 of the memory.
"""


class KeptPrompts:
    """A prefix cache: which beginnings of prompts are held, in whole blocks.

    Args:
        most_tokens: So many are held, those that were used last.
    """

    def __init__(self, most_tokens: int) -> None:
        """Hold nothing at first."""
        self._most_blocks = max(1, most_tokens // _BLOCK_TOKENS)
        self._blocks: OrderedDict[int, None] = OrderedDict()

    def keep(self, prompt: Sequence[int]) -> int:
        """Hold a prompt, and return how many of its tokens were held before.

        The last token is always computed.
        """
        beginnings, beginning = [], 0
        for end in range(_BLOCK_TOKENS, len(prompt), _BLOCK_TOKENS):
            beginning = hash((beginning, tuple(prompt[end - _BLOCK_TOKENS : end])))
            beginnings.append(beginning)
        found = sum(1 for _ in takewhile(self._blocks.__contains__, beginnings))
        # The longest beginnings are the first to go, as in vLLM.
        for each in reversed(beginnings):
            self._blocks[each] = None
            self._blocks.move_to_end(each)
        while len(self._blocks) > self._most_blocks:
            self._blocks.popitem(last=False)
        return found * _BLOCK_TOKENS
