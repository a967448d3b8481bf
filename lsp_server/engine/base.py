"""The interface of an inference engine: token ids in, token ids out.

This module knows no particular engine, no tokenizer, and not what a prompt means.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol

from lsp_server.engine_values import EngineHealth, EngineInfo, EngineNews
from lsp_server.values import GenerationRequest, TokenDelta

__all__ = ["Engine", "Listener", "ReportProgress", "Start"]


class Engine(Protocol):
    """An inference engine that streams tokens."""

    @property
    def info(self) -> EngineInfo:
        """Name, version and device of this engine."""
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
        """End a request in the engine; an unknown or finished one is ignored."""
        ...

    async def health(self) -> EngineHealth:
        """Return the engine's state; never raises."""
        ...

    async def close(self) -> None:
        """End the engine and every process that it started. May be called twice."""
        ...


Listener = Callable[[EngineNews], None]
"""Called on every change of an engine's state, and as a start progresses."""

ReportProgress = Callable[[int, str], None]
"""Called with how much of a start is done, in percent, and what is being done."""

Start = Callable[[ReportProgress], Awaitable[Engine]]
"""Starts an engine."""
