"""What simulated typists ask."""

import itertools
import math
import random
from dataclasses import dataclass

from benchmarks.typist import JUMP_SHARE, MOST_KEYS, pause_of

__all__ = ["Ask", "TypingLoad", "asks_of"]

_BLOCK_TOKENS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request of a typist.

    Attributes:
        typist: Whose it is.
        at_ms: When it reaches the server.
        prompt_tokens: Of its prompt.
        written_tokens: Of all the typist's prompts so far; one after a jump counts in
            full, any other by what is new in it.
        again_tokens: Of the last block, which the prefix cache does not hold yet.
        output_tokens: Of the answer.
        superseded_ms: When the typist's next request comes.
    """

    typist: int
    at_ms: float
    prompt_tokens: int
    written_tokens: int
    again_tokens: int = 0
    output_tokens: int
    superseded_ms: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class TypingLoad:
    """Typists who type all the time.

    Attributes:
        typists: How many.
        seconds: For how long.
        interval_ms: Mean time between two requests of one typist.
        prompt_tokens: Of a prompt.
        new_tokens: Of a request that follows another at the same place, from and to.
        output_tokens: Of an answer, from and to.
        jump_share: Requests whose whole prompt is new, the cursor being elsewhere.
    """

    typists: int
    seconds: float
    interval_ms: float = 500.0
    prompt_tokens: int = 1500
    new_tokens: tuple[int, int] = (1, MOST_KEYS)
    output_tokens: tuple[int, int] = (8, 32)
    jump_share: float = JUMP_SHARE


def asks_of(load: TypingLoad, seed: int) -> list[Ask]:
    """Return every request of a load; the same seed makes the same ones.

    What a typist asks does not change with the number of the others.
    """
    return [
        ask
        for typist in range(load.typists)
        for ask in _asks_of_one(load, typist, random.Random(f"{seed}/{typist}"))  # noqa: S311 - a simulation's seed
    ]


def _asks_of_one(load: TypingLoad, typist: int, chance: random.Random) -> list[Ask]:
    moments_ms = [load.interval_ms * pause_of(chance)]
    while moments_ms[-1] <= load.seconds * 1e3:
        moments_ms.append(moments_ms[-1] + load.interval_ms * pause_of(chance))
    written, asks = load.prompt_tokens, []
    for at_ms, next_ms in itertools.pairwise(moments_ms):
        is_jump = chance.random() < load.jump_share
        new = chance.randint(*load.new_tokens)
        written += load.prompt_tokens if is_jump else new
        asks.append(
            Ask(
                typist=typist,
                at_ms=at_ms,
                prompt_tokens=load.prompt_tokens,
                written_tokens=written,
                again_tokens=0 if is_jump else chance.randrange(_BLOCK_TOKENS),
                output_tokens=chance.randint(*load.output_tokens),
                superseded_ms=next_ms,
            )
        )
    return asks
