"""When a scripted engine has the next token: after a pause, or by steps at a speed."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from lsp_server.engine.engine_speed import EngineSpeed

__all__ = ["EngineSteps", "FixedPause", "NextToken", "Pace", "Sleep"]

Sleep = Callable[[float], Awaitable[None]]
"""Waits for a number of seconds."""

NextToken = Callable[[], Awaitable[object]]
"""Waits for a request's next token."""


class Pace(Protocol):
    """When a scripted engine has a request's next token."""

    def turn(
        self, prompt_tokens: int, wanted: int
    ) -> AbstractAsyncContextManager[NextToken]:
        """Return a request's time in the engine, from its entry to its end.

        Args:
            prompt_tokens: Of its prompt, those that the prefix cache lacks.
            wanted: Tokens to generate.
        """
        ...


@dataclass(frozen=True, slots=True)
class FixedPause:
    """The same pause before each token, however many others are in the engine."""

    pause_ms: float
    sleep: Sleep

    @asynccontextmanager
    async def turn(
        self,
        prompt_tokens: int,  # noqa: ARG002 - a fixed pause depends on nothing
        wanted: int,  # noqa: ARG002 - as above
    ) -> AsyncGenerator[NextToken]:
        """Return a request's time in the engine, as `Pace.turn` says."""
        yield lambda: self.sleep(self.pause_ms / 1e3)


@dataclass(eq=False, slots=True, kw_only=True)
class _Turn:
    """A request in an engine's steps.

    Attributes:
        prompt_tokens: Prompt tokens that are still to be read.
        wanted: Tokens that are still to be generated.
        is_begun: Whether its prompt began to be read.
        ready: Holds a permit for each token that was generated and not waited for.
    """

    prompt_tokens: int
    wanted: int
    is_begun: bool = False
    ready: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, 0))

    async def next_token(self) -> None:
        """Wait until there is one more."""
        await self.ready.acquire()


class EngineSteps:
    """The steps of an engine, one after the other while anything is to be done.

    Args:
        speed: How long they take.
        sleep: How to wait for a number of seconds.
    """

    def __init__(self, speed: EngineSpeed, sleep: Sleep) -> None:
        self._speed = speed
        self._sleep = sleep
        self._submitting = asyncio.Lock()
        self._waiting: deque[_Turn] = deque()
        self._decoding: list[_Turn] = []
        self._stepping: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def turn(self, prompt_tokens: int, wanted: int) -> AsyncGenerator[NextToken]:
        """Return a request's time in the engine, as `Pace.turn` says."""
        async with self._submitting:
            await self._sleep(self._speed.submit_ms / 1e3)
        await self._sleep(self._speed.arrive_ms / 1e3)
        turn = _Turn(prompt_tokens=max(1, prompt_tokens), wanted=max(1, wanted))
        self._waiting.append(turn)
        if self._stepping is None or self._stepping.done():
            self._stepping = asyncio.create_task(self._step_while_busy())
        try:
            yield turn.next_token
        finally:
            self._leave(turn)

    def _leave(self, turn: _Turn) -> None:
        """Take a request out; one that has all its tokens is out already."""
        if turn in self._waiting:
            self._waiting.remove(turn)
        if turn in self._decoding:
            self._decoding.remove(turn)

    async def _step_while_busy(self) -> None:
        while self._waiting or self._decoding:
            # Who leaves in mid-step was computed all the same.
            decoding = tuple(self._decoding)
            step_ms, through = self._read_prompts(len(decoding))
            await self._sleep(step_ms / 1e3)
            for turn in (*decoding, *through):
                turn.ready.release()
                turn.wanted -= 1
                if not turn.wanted:
                    self._leave(turn)

    def _read_prompts(self, decoding: int) -> tuple[float, list[_Turn]]:
        """Read what a step has room for; return its length and whose prompt it ends."""
        left = max(1, self._speed.step_tokens - decoding)
        read = begun = 0
        through = []
        while self._waiting and read < left:
            turn = self._waiting[0]
            begun += not turn.is_begun
            turn.is_begun = True
            tokens = min(turn.prompt_tokens, left - read)
            turn.prompt_tokens -= tokens
            read += tokens
            if turn.prompt_tokens:
                break
            through.append(self._waiting.popleft())
        self._decoding += through
        step_ms = self._speed.step_takes_ms(
            decoding=decoding, prompt_tokens=read, begun=begun
        )
        return step_ms, through
