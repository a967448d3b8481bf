"""One front end: a process that serves clients, without an engine of its own.

`main` runs it; behind the module's name, the command line has the descriptor of one end
of a pair of sockets. It ends when it is told to, or the other end is closed.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import NoReturn

from lsp_server.config import Config
from lsp_server.daemon.front_ends.engine_link import SharedEngine
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
from lsp_server.daemon.front_ends.shared_limits import SharedLimits
from lsp_server.daemon.listen_checks import (
    ADDRESS,
    TCP_ADDRESS,
    certificate_of,
    gate_of,
)
from lsp_server.daemon.open_files import raise_open_files
from lsp_server.daemon.team import team
from lsp_server.daemon.team_sockets import served_on
from lsp_server.errors import MidfillError
from lsp_server.observability.observe import Observability, observed
from lsp_server.protocol import watchdog
from lsp_server.rest.serve import bind
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_pool import EnginePool
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging

__all__ = ["main"]

_log = logging.getLogger(__name__)

_END_DEADLINE_S = 15.0
_PAGE_LIMIT_S = 5.0
_READY_LIMIT_S, _LOOK_AGAIN_S = 10.0, 0.02
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""A terminal or a service manager sends them to every process of a server; the one
with the engine says what to do."""


class _FrontEnd:
    """Serves the streams of the engine's process, of which one is its whole work."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end_wanted = asyncio.Event()
        self._measured: Observability | None = None
        self._reload = _do_nothing
        self._link: Link | None = None

    async def run(self, connected: socket.socket) -> None:
        """Do what the engine's process wants, until the link is closed."""
        self._link = await Link.connect(connected, self._serve, is_first=False)
        await self._link.wait_until_lost()

    async def _serve(self, order: object, stream: Stream) -> None:
        """Do what one stream of the engine's process is about."""
        match order:
            case ServeClients() if self._link is not None:
                await self._serve_clients(order, stream, self._link)
            case PageWanted():
                # One that is starting has none yet.
                if self._measured and self._measured.render:
                    text, _media_type = await asyncio.to_thread(self._measured.render)
                    stream.send(text)
            case ReloadWanted():
                self._reload()
            case EndWanted():
                self._end_wanted.set()
            case SignOfLifeWanted():
                stream.send(order)
            case _:
                _log.error("front_end.order", extra={"kind": type(order).__name__})

    async def _serve_clients(
        self, order: ServeClients, stream: Stream, link: Link
    ) -> None:
        """Serve clients until the end is wanted, then close the link."""
        config = resolve([*order.layers]).config
        configure_logging(config.log.level, sys.stderr)
        raise_open_files()
        try:
            await self._serve_until_end(order, config, stream, link)
        except MidfillError as error:
            failed = Failed(what=error.what, subject=error.subject, remedy=error.remedy)
            stream.send(failed)
        link.close()

    async def _serve_until_end(
        self, order: ServeClients, config: Config, stream: Stream, link: Link
    ) -> None:
        """Serve clients until the end is wanted.

        Raises:
            MidfillError: It cannot.
        """
        # The metrics of all are read where the engine is.
        own_metrics = replace(config.metrics, listen="")
        share = -(-config.listen.max_editors // order.count)
        listen = replace(
            config.listen,
            address=order.address,
            tcp_address=order.tcp_address,
            max_editors=share,
        )
        own = replace(config, listen=listen)
        async with AsyncExitStack() as stack:
            measured = stack.enter_context(observed(own_metrics, is_served=True))
            self._measured = measured
            certificate = certificate_of(config)
            tls = None
            if certificate is not None:
                tls, self._reload = certificate.context, certificate.reload
            gate = gate_of(own, has_tls=tls is not None, probe_token=order.probe_token)
            http = bind(order.address, setting=ADDRESS, is_shared=True)
            stack.enter_context(http)
            tcp = None
            if order.tcp_address:
                tcp = bind(order.tcp_address, setting=TCP_ADDRESS, is_shared=True)
                stack.enter_context(tcp)
            shared = SharedEngine(link)
            following = asyncio.create_task(shared.follow(), name="engine-reports")
            stack.callback(following.cancel)
            pool = EnginePool(
                lambda _kind: shared.start,
                max_engines=1,
                # Requests of all front ends begin together, or not.
                admission=replace(config.admission, joined_start_ms=0),
                metrics=measured.metrics,
                load=shared.load,
                elsewhere=shared,
            )
            stack.push_async_callback(pool.close)
            serving = team(
                [*order.layers],
                own,
                pool,
                gate=gate,
                measured=measured,
                render_metrics=self._render_all,
                limits=SharedLimits(link),
                name=order.name,
            )
            served = await stack.enter_async_context(serving)
            await shared.is_known.wait()
            if shared.report.is_ready:
                await _until_ready(served.host)
            await stack.enter_async_context(served_on(served, http, tcp, tls=tls))
            stream.send(Listening())
            await self._end_wanted.wait()
            await pool.drain(config.admission.drain_ms / 1e3)
            watchdog.arm(0, deadline_s=_END_DEADLINE_S)
            await served.lsp.close()

    def _render_all(self) -> tuple[bytes, str]:
        """Return the metrics of all processes; called in a thread."""
        page = asyncio.run_coroutine_threadsafe(self._page_of_all(), self._loop)
        return page.result(_PAGE_LIMIT_S)

    async def _page_of_all(self) -> tuple[bytes, str]:
        """Ask the engine's process for the metrics of all.

        Raises:
            EngineDeadError: It has gone.
        """
        if self._link is None:
            raise RuntimeError("clients are served behind a link")
        stream = self._link.open(PageOfAllWanted())
        try:
            page = await anext(stream)
        finally:
            stream.cancel()
        if not isinstance(page, PageOfAll):
            raise TypeError(type(page).__name__)
        return page.text, page.media_type


async def _until_ready(host: EngineHost) -> None:
    """Wait until a host has the engine that runs already: it reads a tokenizer.

    Meanwhile new connections wait as well, instead of being told to come later.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_READY_LIMIT_S):
            while not host.ready:  # noqa: ASYNC110 - it is a moment
                await asyncio.sleep(_LOOK_AGAIN_S)


def _do_nothing() -> None:
    """Reload nothing: there is no certificate."""


def main() -> NoReturn:
    """Run a front end on the descriptor that the command line names."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    connected = socket.socket(fileno=int(sys.argv[2]))

    async def run() -> None:
        await _FrontEnd().run(connected)

    asyncio.run(run())
    # Not by way of the interpreter's own end, which waits for threads.
    logging.shutdown()
    os._exit(0)
