"""One engine for several processes: its own serves it, the others ask by a link.

The process with the engine orders all requests, of whichever front end, in one queue.
What a front end has to know of the load for that, it is told: an `EngineReport`.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from lsp_server.config import Config
from lsp_server.daemon.front_ends.link import Link, Stream
from lsp_server.engine.base import Engine
from lsp_server.engine.failure import Failure
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine_values import (
    EngineHealth,
    EngineInfo,
    EngineState,
    StartStage,
)
from lsp_server.errors import EngineDeadError, EngineError
from lsp_server.outcomes import OverloadStep
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.loaded_model import LoadedModel, read_model
from lsp_server.values import GenerationRequest, TokenDelta

__all__ = [
    "EngineReport",
    "LinkedEngine",
    "ReportsWanted",
    "SharedEngine",
    "serve_generation",
    "serve_reports",
]

_REPORT_EVERY_S = 0.05
"""How old what a front end knows of the load may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportsWanted:
    """Asks for the engine's reports, the first one at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """What the front ends have to know of the engine.

    Attributes:
        state: Where it stands.
        what: What happens or happened to it, as a clause.
        stage: How far its start has got.
        folder: The model's files, verified; None until they are.
        info: Its identity; None while there is none.
        generations: How many run and wait, of all front ends.
        step: How far the load is being shed.
    """

    state: EngineState
    what: str
    stage: StartStage = StartStage.VERIFY
    folder: Path | None = None
    info: EngineInfo | None = None
    generations: int = 0
    step: OverloadStep = OverloadStep.NORMAL

    @property
    def is_ready(self) -> bool:
        """Whether the engine takes requests."""
        return self.state is EngineState.READY and self.info is not None


async def serve_generation(
    engine: Engine, request: GenerationRequest, stream: Stream, *, name: str
) -> None:
    """Generate for a front end, until it has enough.

    Args:
        engine: Generates.
        request: Its id is unique among those of its front end.
        stream: Takes the deltas, or at the end a `Failure`.
        name: The front end's.
    """
    request = dataclasses.replace(request, request_id=f"{name}.{request.request_id}")
    try:
        async with aclosing(engine.generate(request)) as deltas:
            async for delta in deltas:
                stream.send(delta)
    except EngineError as error:
        stream.send(Failure.of(error))


async def serve_reports(
    host: EngineHost, stream: Stream, *, stage: Callable[[], StartStage]
) -> None:
    """Send an engine's reports: the first at once, then whenever they differ.

    Args:
        host: The engine's.
        stream: Takes the reports.
        stage: Returns how far the engine's start has got.
    """
    sent = None
    while True:
        report = _report_of(host, stage())
        if report != sent:
            stream.send(report)
            sent = report
        await asyncio.sleep(_REPORT_EVERY_S)


def _report_of(host: EngineHost, stage: StartStage) -> EngineReport:
    engine, news = host.engine, host.news
    return EngineReport(
        state=news.state,
        what=news.what,
        stage=stage,
        folder=host.model.folder if host.model else None,
        info=engine.info if news.state is EngineState.READY and host.ready else None,
        generations=engine.running + engine.waiting,
        step=engine.step,
    )


class SharedEngine:
    """What a front end knows of the engine, from its reports; also an `Elsewhere`.

    Args:
        link: The link to the engine's process.
    """

    def __init__(self, link: Link) -> None:
        """Know nothing yet; ``follow`` learns."""
        self._link = link
        self._folder: Future[Path] = Future()
        self._changed = asyncio.Condition()
        self.is_known = asyncio.Event()
        self._watchers: set[Callable[[OverloadStep], None]] = set()
        self.own_generations = 0
        self.report = EngineReport(
            state=EngineState.STARTING, what="the engine was not started yet"
        )

    @property
    def generations(self) -> int:
        """How many generations of other front ends run and wait."""
        return max(0, self.report.generations - self.own_generations)

    @property
    def step(self) -> OverloadStep:
        """How far the engine's process sheds the load."""
        return self.report.step

    def watch(self, watcher: Callable[[OverloadStep], None]) -> Callable[[], None]:
        """Call ``watcher`` whenever the step changes; return what ends that."""
        self._watchers.add(watcher)
        return lambda: self._watchers.discard(watcher)

    async def follow(self) -> None:
        """Keep the engine's latest report, until the link is lost."""
        stream = self._link.open(ReportsWanted())
        try:
            async for report in stream:
                if isinstance(report, EngineReport):
                    await self._take(report)
        except EngineDeadError as error:
            lost = EngineReport(state=EngineState.FAILED, what=error.what)
            await self._take(lost)
            if not self._folder.done():
                self._folder.set_exception(error)

    def load(self, _config: Config) -> LoadedModel:
        """Read the engine's model as soon as its process has verified it; blocks.

        Raises:
            EngineDeadError: The engine's process has gone.
        """
        return read_model(self._folder.result())

    async def start(
        self, _config: Config, _model: LoadedModel, progress: StartProgress
    ) -> Engine:
        """Wait until the engine takes requests, and return it."""
        async with self._changed:
            while not self.report.is_ready:
                progress.reach(self.report.stage)
                await self._changed.wait()
        if self.report.info is None:
            raise RuntimeError("an engine is ready without an identity")
        return LinkedEngine(self, self.report.info)

    @contextlib.contextmanager
    def asking(self) -> Iterator[Link]:
        """Count a generation of this front end, and return the link for it."""
        self.own_generations += 1
        try:
            yield self._link
        finally:
            self.own_generations -= 1

    async def _take(self, report: EngineReport) -> None:
        """Note a report, and tell those who wait for one."""
        before, self.report = self.report, report
        self.is_known.set()
        if report.folder is not None and not self._folder.done():
            self._folder.set_result(report.folder)
        if report.step is not before.step:
            for watcher in tuple(self._watchers):
                watcher(report.step)
        async with self._changed:
            self._changed.notify_all()


class LinkedEngine:
    """An `Engine` at the other end of a link.

    Args:
        shared: What is known of the engine.
        info: Its identity.
    """

    def __init__(self, shared: SharedEngine, info: EngineInfo) -> None:
        self._shared = shared
        self._info = info

    @property
    def info(self) -> EngineInfo:
        """Name, version and device of the engine."""
        return self._info

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        """Generate, one delta after the other; closing the generator aborts.

        Raises:
            EngineError: As the engine's own, or its process has gone.
        """
        with self._shared.asking() as link:
            stream = link.open(request)
            try:
                async for value in stream:
                    if isinstance(value, Failure):
                        raise value.error()
                    if isinstance(value, TokenDelta):
                        yield value
            finally:
                stream.cancel()

    async def abort(self, request_id: str) -> None:
        """Do nothing: who wants a request to end closes its generator."""

    async def health(self) -> EngineHealth:
        """Return what the engine's process has reported; never raises."""
        report = self._shared.report
        return EngineHealth(
            state=EngineState.READY if report.is_ready else EngineState.FAILED,
            requests_in_flight=self._shared.own_generations,
            detail="" if report.is_ready else report.what,
        )

    async def close(self) -> None:
        """Do nothing: the engine's own process ends it."""
