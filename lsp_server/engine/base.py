"""What Midfill asks of an inference engine.

This module does not know which engine there is, which tokenizer fits it, or what a
prompt means: token ids go in, token ids come out.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol

from lsp_server.values import (
    EngineHealth,
    EngineInfo,
    EngineNews,
    GenerationRequest,
    TokenDelta,
)

__all__ = ["Engine", "Listener", "Start", "TellProgress"]


class Engine(Protocol):
    """An inference engine that streams tokens."""

    @property
    def info(self) -> EngineInfo:
        """What this engine is."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Generate, one delta after the other.

        Closing the generator aborts the request in the engine, so hold it in
        ``contextlib.aclosing``.

        Raises:
            RequestRejectedError: The engine refuses this request.
            GenerationError: This generation failed, the engine lives.
            EngineDeadError: The engine is gone.
        """
        ...

    async def abort(self, request_id: str) -> None:
        """End a request in the engine; an unknown or ended one is left in peace."""
        ...

    async def health(self) -> EngineHealth:
        """Tell how the engine is; this never raises."""
        ...

    async def close(self) -> None:
        """End the engine and every process that it started. May be called twice."""
        ...


Listener = Callable[[EngineNews], None]
"""Hears of every state that the engine goes into, and how far a start has got."""

TellProgress = Callable[[int, str], None]
"""Takes how much of a start is done, in percent, and what it is at."""

Start = Callable[[TellProgress], Awaitable[Engine]]
"""Starts an engine."""
