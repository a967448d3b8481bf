"""Backends with one fault each, for the servers in this folder and for tests.

They stand in for the engine side only: everything from the bytes on stdin to the call
of the backend is the real server.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from lsp_server.config import Config
from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.errors import EngineDeadError
from lsp_server.outcomes import Completion, CompletionResult, Reason, RequestTimings
from lsp_server.project.provider import Event
from lsp_server.service import reasons
from lsp_server.service.backend import Backend, EngineListener
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Prompt, Snapshot, Trigger

TIMINGS = RequestTimings(
    ttft_ms=1.5, total_ms=2.5, prompt_tokens=7, cached_tokens=3, output_tokens=2
)

NOTHING = Reason(word="nothing", sentence="Nothing comes to mind.")


def completion(
    snapshot: Snapshot, text: str, *, start: int | None = None, end: int | None = None
) -> Completion:
    """Make a completion at the cursor, or over the offsets given."""
    return Completion(
        completion_id="c",
        text=text,
        start=snapshot.offset if start is None else start,
        end=snapshot.offset if end is None else end,
        timings=TIMINGS,
    )


class EchoBackend:
    """Is ready at once, and answers every request with ``done``."""

    def __init__(self) -> None:
        self.listener: EngineListener | None = None
        self.snapshots: list[Snapshot] = []
        self.request_ids: list[str] = []
        self.triggers: list[Trigger] = []
        self.typed: list[TypedAhead] = []
        self.events: list[Event] = []
        self.closed = 0
        self.offers = True
        self.restarts = 0
        self.ready = False
        self.config = Config()

    async def start(self, listener: EngineListener) -> None:
        self.listener = listener
        self.tell(EngineState.STARTING, "loading")
        self.tell(EngineState.READY, "")

    def tell(self, state: EngineState, what: str, **more: Any) -> None:  # noqa: ANN401 - fields of the news
        """Tell news of the engine; what is not given is as in a real engine's news."""
        assert self.listener is not None
        self.ready = state is EngineState.READY
        news = EngineNews(state=state, what=what, **more)
        if self.ready:
            news = replace(news, model="m", device="cpu")
        self.listener.engine_changed(news)

    def project_changed(self, event: Event) -> None:
        self.events.append(event)

    @property
    def enabled(self) -> bool:
        return self.offers

    def restart(self) -> None:
        self.restarts += 1
        self.tell(EngineState.RESTARTING, "a restart was asked for")

    async def complete(
        self,
        snapshot: Snapshot,
        *,
        request_id: str,
        trigger: Trigger,
        typed: TypedAhead,
    ) -> CompletionResult:
        if not self.ready:
            return CompletionResult(reason=reasons.NOT_READY)
        self.snapshots.append(snapshot)
        self.request_ids.append(request_id)
        self.triggers.append(trigger)
        self.typed.append(typed)
        completions = await self.answer(snapshot)
        return CompletionResult(
            completions=completions, reason=None if completions else NOTHING
        )

    def prompt_text(self, prompt: Prompt) -> str:
        return "".join(map(chr, prompt.token_ids))

    async def answer(self, snapshot: Snapshot) -> tuple[Completion, ...]:
        return (completion(snapshot, "done"),)

    async def close(self) -> None:
        self.closed += 1


class LoadingBackend(EchoBackend):
    """Loads until it is released."""

    async def start(self, listener: EngineListener) -> None:
        self.listener = listener
        self.tell(EngineState.STARTING, "reading the weights")


class SlowBackend(EchoBackend):
    """Holds every answer until it is released or cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.release = asyncio.Event()
        self.begun = asyncio.Semaphore(0)
        self.running = 0
        self.cancelled = 0

    async def answer(self, snapshot: Snapshot) -> tuple[Completion, ...]:
        self.running += 1
        self.begun.release()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        return await super().answer(snapshot)


class RaisingBackend(EchoBackend):
    """Raises something that nobody expects where the text says ``bug``."""

    async def answer(self, snapshot: Snapshot) -> tuple[Completion, ...]:
        if "bug" in snapshot.text:
            raise ZeroDivisionError("a bug")
        return await super().answer(snapshot)


class DyingBackend(EchoBackend):
    """Its engine dies in every other request, and comes back at once."""

    async def answer(self, snapshot: Snapshot) -> tuple[Completion, ...]:
        if len(self.snapshots) % 2:
            self.tell(EngineState.RESTARTING, "the engine process ended")
            self.tell(EngineState.RESTARTING, "second attempt")
            again = partial(self.tell, EngineState.READY, "", restarts=1)
            asyncio.get_running_loop().call_soon(again)
            raise EngineDeadError(
                "the engine process is gone", subject="engine", remedy="Wait"
            )
        return await super().answer(snapshot)


class FixedConfigurator:
    """Hands out one backend, whatever the options are."""

    def __init__(
        self,
        make: Callable[[], Backend],
        *,
        initial: list[str] | None = None,
        changed: list[str] | None = None,
    ) -> None:
        self.options: list[object] = []
        self.settings: list[object] = []
        self._make = make
        self._initial = initial or []
        self._changed = changed or []

    def initialize(self, options: object) -> tuple[Backend, list[str]]:
        self.options.append(options)
        return self._make(), self._initial

    def change(self, options: object) -> list[str]:
        self.settings.append(options)
        return self._changed
