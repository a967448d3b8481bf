"""What the protocol layer asks of everything below it.

The protocol layer turns LSP into these three calls and knows nothing else.
"""

from typing import Protocol

from lsp_server.values import Completion, EngineNews, Snapshot, Trigger

__all__ = ["Backend", "EngineListener"]


class EngineListener(Protocol):
    """Hears how the engine fares."""

    def engine_changed(self, news: EngineNews) -> None:
        """The engine went into another state, or its start got further."""
        ...


class Backend(Protocol):
    """Completes snapshots with an engine that it starts and ends."""

    async def start(self, listener: EngineListener) -> None:
        """Begin to load the model in the background, and return at once.

        ``listener`` hears of ``STARTING``, then ``READY`` or ``FAILED``, and of every
        later restart. A model that cannot be loaded is heard of as ``FAILED``.
        """
        ...

    async def complete(
        self, snapshot: Snapshot, *, request_id: str, trigger: Trigger
    ) -> tuple[Completion, ...]:
        """Complete at the snapshot's cursor.

        An engine that is not ready, an unsuitable document and a cursor at which
        nothing is worth saying give an empty tuple. Cancelling the task aborts the
        generation in the engine.
        """
        ...

    @property
    def enabled(self) -> bool:
        """Whether the settings offer completions at all."""
        ...

    def restart(self) -> None:
        """Start the engine again at once, also one that was given up."""
        ...

    async def close(self) -> None:
        """End the engine and every process of it. May be called twice."""
        ...
