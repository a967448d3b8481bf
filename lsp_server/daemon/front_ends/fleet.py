"""The front ends of one server, seen from the process with the engine.

It starts them, serves what they ask for, and starts another one where one has ended or
stands still; editors that were connected to it connect again by themselves.
"""

import asyncio
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from lsp_server.access.limiter import Limiter
from lsp_server.daemon.front_ends import process as front_end_process
from lsp_server.daemon.front_ends.engine_link import (
    ReportsWanted,
    serve_generation,
    serve_reports,
)
from lsp_server.daemon.front_ends.link import Link, Stream
from lsp_server.daemon.front_ends.orders import (
    EndWanted,
    Failed,
    Listening,
    PageOfAll,
    PageOfAllWanted,
    PageWanted,
    ReloadWanted,
    ServeClients,
    SignOfLifeWanted,
)
from lsp_server.daemon.front_ends.shared_limits import (
    AdmissionWanted,
    CheckWanted,
    serve_admission,
    serve_check,
)
from lsp_server.engine_values import StartStage
from lsp_server.errors import DaemonError, MidfillError
from lsp_server.observability.merged import Page, merged
from lsp_server.operating_system import reason_of
from lsp_server.rest.services import RenderMetrics
from lsp_server.service.engine_host import EngineHost
from lsp_server.values import GenerationRequest

__all__ = ["FrontEnds"]

_log = logging.getLogger(__name__)

_BOOT = (
    # A terminal sends SIGINT to all processes of a server.
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    f"from {front_end_process.__name__} import main; main()"
)
"""Imports from where this process does, and not from the folder that it was started in;
that stays the same, for settings may name files in it."""

_START_LIMIT_S = 60.0
_LOOK_EVERY_S = 5.0
_STANDS_STILL_S = 15.0
"""A front end that answers nothing for so long is ended."""

_END_LIMIT_S = 10.0
"""Behind the drain, how long a front end has to end."""

_ANSWERS_S, _ENDS_S = 3.0, 0.5
_PAGE_LIMIT_S = 2.0
_PAUSES_S = (0.0, 0.5, 2.0, 5.0, 10.0)
"""Before a front end is started again, by how many in a row did not last. After as many
that did not even start, and while no other one runs, the server is given up."""

_LASTS_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """A front end that runs."""

    name: str
    process: asyncio.subprocess.Process
    link: Link


class FrontEnds:
    """Processes that serve clients on this process's engine.

    Args:
        order: What each is told, but for its name.
        host: The engine.
        stage: Returns how far the engine's start has got.
        render: Returns this process's own metrics; None where none are kept.
        drain_s: How long a front end has to complete its requests at the end.
        environment: What each is started with.
    """

    def __init__(
        self,
        order: ServeClients,
        host: EngineHost,
        *,
        stage: Callable[[], StartStage],
        render: RenderMetrics | None,
        drain_s: float,
        environment: Mapping[str, str],
    ) -> None:
        """Start nothing yet; ``running`` does."""
        self._order = order
        self._host = host
        self._stage = stage
        self._render = render
        self._drain_s = drain_s
        self._environment = environment
        self._limiter = Limiter()
        self._running: dict[str, _Running] = {}

    @property
    def process_ids(self) -> Collection[int]:
        """The ids of their processes."""
        return [each.process.pid for each in self._running.values()]

    @asynccontextmanager
    async def running(
        self, failed: Callable[[MidfillError], None]
    ) -> AsyncIterator[None]:
        """Have them serve within the block, which begins once they all listen.

        At its end they complete what they have, and end.

        Args:
            failed: Called where none runs, and none can be started again.

        Raises:
            MidfillError: One does not start.
        """
        names = [f"f{number}" for number in range(1, self._order.count + 1)]
        keeping: list[asyncio.Task[None]] = []
        try:
            async with asyncio.TaskGroup() as starting:
                for name in names:
                    starting.create_task(self._start(name))
            keeping = [asyncio.create_task(self._keep(name, failed)) for name in names]
            yield
        except* MidfillError as errors:
            raise errors.exceptions[0] from None
        finally:
            for task in keeping:
                task.cancel()
            await self._end_all(self._drain_s + _END_LIMIT_S if keeping else 0.0)

    def reload(self) -> None:
        """Have all of them read the certificate again."""
        for each in self._running.values():
            each.link.open(ReloadWanted()).end()

    async def page(self) -> PageOfAll:
        """Return the metrics of all processes; one that does not answer is left out."""
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(self._page_of(each))
                for each in self._running.values()
            ]
        pages = [page for each in asked if (page := each.result()) is not None]
        if self._render is not None:
            own, _media_type = await asyncio.to_thread(self._render)
            pages.insert(0, Page(labels={}, has_engine=True, text=own))
        text, media_type = await asyncio.to_thread(merged, pages)
        return PageOfAll(text=text, media_type=media_type)

    async def _page_of(self, each: _Running) -> Page | None:
        text = await each.link.ask(PageWanted(), _PAGE_LIMIT_S)
        if not isinstance(text, bytes):
            return None
        return Page(labels={"front_end": each.name}, has_engine=False, text=text)

    async def _keep(self, name: str, failed: Callable[[MidfillError], None]) -> None:
        """Start a front end again, whenever it has ended."""
        loop = asyncio.get_running_loop()
        short = 0
        while True:
            began_s = loop.time()
            await self._watch(self._running[name])
            status = await _ended(self._running.pop(name).process)
            _log.error("front_end.ended", extra={"front_end": name, "status": status})
            short = 0 if loop.time() - began_s > _LASTS_S else short
            failures = 0
            while name not in self._running:
                await asyncio.sleep(_PAUSES_S[min(short, len(_PAUSES_S) - 1)])
                short += 1
                try:
                    await self._start(name)
                except MidfillError as error:
                    failures += 1
                    _log.error("front_end.not_started", extra={"why": str(error)})
                    if failures >= len(_PAUSES_S) and not self._running:
                        failed(error)
                        return

    async def _watch(self, each: _Running) -> None:
        """Return when a front end has ended, or stands still."""
        lost = asyncio.create_task(each.link.wait_until_lost())
        try:
            while not lost.done():
                await asyncio.wait({lost}, timeout=_LOOK_EVERY_S)
                sign = await each.link.ask(SignOfLifeWanted(), _STANDS_STILL_S)
                if sign is None and not lost.done():
                    _log.error("front_end.stands_still", extra={"front_end": each.name})
                    return
        finally:
            lost.cancel()

    async def _start(self, name: str) -> None:
        """Start a front end, and wait until it listens.

        Raises:
            MidfillError: It does not.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-c", _BOOT, front_end_process.__name__),
                    *(str(number), json.dumps(sys.path)),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(number,),
                    env=self._environment,
                )
            except OSError as error:
                ours.close()
                raise _not_started(name, reason_of(error)) from error
        link = await Link.connect(ours, partial(self._serve, name), is_first=True)
        self._running[name] = _Running(name=name, process=process, link=link)
        # Left open: the front end serves as long as it is.
        answer = await link.open(replace(self._order, name=name)).first(_START_LIMIT_S)
        if isinstance(answer, Listening):
            extra = {"front_end": name, "process_id": process.pid}
            _log.info("front_end.ready", extra=extra)
            return
        del self._running[name]
        await _ended(process)
        if isinstance(answer, Failed):
            what, subject, remedy = answer.what, answer.subject, answer.remedy
            raise DaemonError(what, subject=subject, remedy=remedy)
        raise _not_started(name, "it ended or hung while it was starting")

    async def _serve(self, name: str, order: object, stream: Stream) -> None:
        """Do what a front end asks for."""
        match order:
            case GenerationRequest():
                await serve_generation(self._host.engine, order, stream, name=name)
            case ReportsWanted():
                await serve_reports(self._host, stream, stage=self._stage)
            case AdmissionWanted():
                await serve_admission(self._limiter, order, stream)
            case CheckWanted():
                await serve_check(self._limiter, order, stream)
            case PageOfAllWanted():
                stream.send(await self.page())
            case _:
                _log.error("front_end.order", extra={"kind": type(order).__name__})

    async def _end_all(self, limit_s: float) -> None:
        """End every front end, in order where it follows within a limit."""
        async with asyncio.TaskGroup() as group:
            for each in self._running.values():
                group.create_task(_end(each, limit_s))


def _not_started(name: str, what: str) -> DaemonError:
    remedy = "See the log, or set listen.front_ends to 1"
    return DaemonError(what, subject=f"front end {name}", remedy=remedy)


async def _end(each: _Running, limit_s: float) -> None:
    """End a front end: in order within a limit, at once where it stands still."""
    each.link.open(EndWanted()).end()
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            if await each.link.ask(SignOfLifeWanted(), _ANSWERS_S) is not None:
                await each.process.wait()
    await _ended(each.process)


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Kill a process that does not end by itself, and return its status."""
    # asyncio loses the status of one that is killed while it ends.
    with suppress(TimeoutError):
        async with asyncio.timeout(_ENDS_S):
            return await process.wait()
    with suppress(ProcessLookupError):
        process.kill()
    return await process.wait()
