"""Scripted engines that are counted, and connections of a pool to them."""

import asyncio

from news_listener import Listener

from lsp_server.config import (
    Config,
    EngineConfig,
    EngineKind,
    ScriptConfig,
)
from lsp_server.engine.base import Engine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine_values import EngineState
from lsp_server.metrics import NoMetrics
from lsp_server.service.engine_pool import Lease
from lsp_server.service.engine_start import EngineStarter, starter_of
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.service.local_backend import LocalBackend
from lsp_server.service.typed_ahead import TypedAhead
from lsp_server.values import Snapshot, Trigger

SCRIPTED = EngineConfig(kind=EngineKind.SCRIPTED)


CONFIG = Config(engine=SCRIPTED, scripted=ScriptConfig(text="1\n"))


SNAPSHOT = Snapshot(
    uri="file:///a.py", language_id="python", version=1, text="x = \n", offset=4
)


class CountedStarts:
    """Starts scripted engines, and counts how many run at the same time."""

    def __init__(self) -> None:
        self.started = self.most = 0
        self._running: set[Engine] = set()

    @property
    def running(self) -> int:
        """How many engines are not closed."""
        return len(self._running)

    def starter_of(self, kind: EngineKind) -> EngineStarter:
        start_scripted = starter_of(kind)

        async def start(
            config: Config, model: LoadedModel, progress: StartProgress
        ) -> Engine:
            engine = await start_scripted(config, model, progress)
            self.started += 1
            self._running.add(engine)
            self.most = max(self.most, self.running)
            close = engine.close

            async def counted_close() -> None:
                # The memory of a real engine is free some time after it was closed.
                await asyncio.sleep(0)
                await close()
                self._running.discard(engine)

            engine.close = counted_close  # type: ignore[method-assign]  # it is only counted
            return engine

        return start


async def connected(lease: Lease, config: Config) -> tuple[LocalBackend, Listener]:
    """Connect a backend to the lease's host, and wait until that is ready."""
    backend, listener = LocalBackend(config, lease), Listener()
    await backend.start(listener)
    await listener.until(EngineState.READY)
    return backend, listener


async def answer(backend: LocalBackend) -> str:
    """Return what the backend completes with; empty for nothing."""
    result = await backend.complete(
        SNAPSHOT, request_id="r", trigger=Trigger.AUTOMATIC, typed=TypedAhead()
    )
    return "".join(completion.text for completion in result.completions)


class CountedNews(NoMetrics):
    """Keeps the states that a host reports for metrics."""

    def __init__(self) -> None:
        self.states: list[EngineState] = []

    def engine_changed(self, _model: str, state: EngineState) -> None:
        self.states.append(state)
