"""The interfaces by which the protocol layer asks for completions and settings.

The protocol layer turns LSP into these calls and knows nothing else.
"""

from typing import Protocol

from lsp_server.config import Config
from lsp_server.engine_values import EngineNews
from lsp_server.outcomes import CompletionResult, OverloadStep
from lsp_server.project.provider import Event
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Prompt, Snapshot, Trigger

__all__ = ["Backend", "Configurator", "EngineListener"]


class EngineListener(Protocol):
    """Takes the news of an engine: its state, and how its start goes."""

    def engine_changed(self, news: EngineNews) -> None:
        """The engine went into another state, or its start got further."""
        ...

    def overload_changed(self, step: OverloadStep) -> None:
        """The engine has more to do than before, or less."""
        ...


class Backend(Protocol):
    """Completes snapshots with an engine that it starts and ends."""

    async def start(self, listener: EngineListener) -> None:
        """Begin to load the model in the background, and return at once.

        ``listener`` receives ``STARTING``, then ``READY`` or ``FAILED``, and of every
        later restart. A model that cannot be loaded is reported as ``FAILED``.
        """
        ...

    async def complete(
        self,
        snapshot: Snapshot,
        *,
        request_id: str,
        trigger: Trigger,
        typed: TypedAhead,
    ) -> CompletionResult:
        """Complete at the snapshot's cursor: with suggestions, or with the reason.

        The reason is, for example, an engine that is not ready, an unsuitable document
        or a cursor at which nothing is worth saying. Cancelling the task aborts the
        generation in the engine, and so does typing what cannot be the beginning of
        what is generated.
        """
        ...

    @property
    def enabled(self) -> bool:
        """Whether the settings offer completions at all."""
        ...

    @property
    def config(self) -> Config:
        """The settings that hold now."""
        ...

    def project_changed(self, event: Event) -> None:
        """Follow what happens in the editor, for the context of later completions."""
        ...

    def restart(self) -> None:
        """Start the engine again at once, also one that was given up."""
        ...

    def prompt_text(self, prompt: Prompt) -> str:
        """Spell a prompt of a result as the model read it, sentinels shown."""
        ...

    async def close(self) -> None:
        """End the engine and every process of it. May be called twice."""
        ...


class Configurator(Protocol):
    """Turns what an editor sends into a server's configuration."""

    def initialize(self, options: object) -> tuple[Backend, list[str]]:
        """Make the server's backend from ``initializationOptions``.

        Called once, before the backend is started. Bad options never raise: they come
        back as messages for the user, and the backend runs on what is left.

        Args:
            options: The raw JSON value; None if the editor sent none.
        """
        ...

    def change(self, options: object) -> list[str]:
        """Apply ``settings`` of ``workspace/didChangeConfiguration``.

        Returns messages for the user. Never called before ``initialize``.
        """
        ...
