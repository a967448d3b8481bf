"""The team server: LSP and the REST API for other machines, on one engine."""

import asyncio
import logging
import os
import secrets
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import NoReturn

from lsp_server.config import Config
from lsp_server.daemon.front_ends.serving import serve_by_front_ends
from lsp_server.daemon.listen_checks import (
    ADDRESS,
    TCP_ADDRESS,
    certificate_of,
    gate_of,
)
from lsp_server.daemon.open_files import raise_open_files
from lsp_server.daemon.probe import Probe, published
from lsp_server.daemon.team import team
from lsp_server.daemon.team_sockets import port_of, served_on
from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.errors import EngineStartError, MidfillError
from lsp_server.modelstore.locate import locate, pulled_models_folder
from lsp_server.observability.observe import Observability, observed
from lsp_server.outcomes import OverloadStep
from lsp_server.protocol import watchdog
from lsp_server.rest.serve import bind
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import starter_of
from lsp_server.setting_layers import Layer
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging

__all__ = ["run_listen"]

_log = logging.getLogger(__name__)

_END_DEADLINE_S = 15.0
_ENDING = (signal.SIGTERM, signal.SIGINT)
_PROBE_TOKEN_BYTES = 32


def run_listen(layers: list[Layer]) -> NoReturn:
    """Run the team server until a signal ends it, then end the process.

    SIGHUP reads the certificate again.

    Args:
        layers: The settings.

    Raises:
        ConfigError: An address is not safe to listen on, or cannot be, or a setting of
            the listener is wrong.
        EngineStartError: The engine was given up.
        KeyFileError: The keys cannot be read.
        ModelNotFoundError: There is no such model.
    """
    resolved = resolve(layers)
    configure_logging(resolved.config.log.level, sys.stderr)
    for problem in resolved.problems:
        _log.warning("listen.setting", extra={"problem": str(problem)})
    raise_open_files()
    has_front_ends = resolved.config.listen.front_ends > 1
    metrics = resolved.config.metrics
    # Theirs are read along with this process's own.
    own = replace(metrics, listen="") if has_front_ends else metrics
    with observed(own, is_served=True) as measured:
        try:
            asyncio.run(_serve(layers, resolved.config, measured))
        except MidfillError:
            # A thread of a failed engine must not keep the process.
            watchdog.arm(1, deadline_s=_END_DEADLINE_S)
            raise
    # Not by way of the interpreter's own end, which waits for threads.
    logging.shutdown()
    os._exit(0)


async def _serve(layers: list[Layer], config: Config, measured: Observability) -> None:
    """Serve until a signal comes, and end in order.

    Raises:
        EngineStartError: The engine was given up.
    """
    ended = _signals()
    watch = _EngineWatch(ended)
    if config.listen.front_ends > 1:
        await serve_by_front_ends(
            layers,
            config,
            measured,
            ended=ended,
            watch=watch,
            # The engine's start changes this process's.
            environment=dict(os.environ),
        )
        return
    async with AsyncExitStack() as stack:
        certificate = certificate_of(config)
        has_tls, token = certificate is not None, secrets.token_hex(_PROBE_TOKEN_BYTES)
        gate = gate_of(config, has_tls=has_tls, probe_token=token)
        # A model that is missing now ends the server: no restart would find it.
        locate(config.model.path, pulled=pulled_models_folder(config.registry.folder))
        http = stack.enter_context(bind(config.listen.address, setting=ADDRESS))
        tcp = None
        if config.listen.tcp_address:
            tcp = bind(config.listen.tcp_address, setting=TCP_ADDRESS)
            stack.enter_context(tcp)
        pool = EnginePool(
            partial(starter_of, stats=measured.vllm),
            max_engines=config.daemon.max_engines,
            admission=config.admission,
            metrics=measured.metrics,
        )
        stack.push_async_callback(pool.close)
        serving = team(layers, config, pool, gate=gate, measured=measured)
        served = await stack.enter_async_context(serving)
        served.host.attach(watch)
        tls = certificate.context if certificate else None
        if certificate is not None:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, certificate.reload)
        await stack.enter_async_context(served_on(served, http, tcp, tls=tls))
        stack.enter_context(published(Probe.of(http, tls=has_tls, token=token)))
        if tcp is not None:
            extra = {"port": port_of(tcp), "tls": has_tls}
            _log.info("listen.tcp_ready", extra=extra)
        _log.info("listen.ready", extra={"port": port_of(http), "tls": has_tls})
        reason = await ended
        _log.info("listen.end", extra={"reason": reason})
        # From here on every new request is refused, and the health route says so.
        await pool.drain(config.admission.drain_ms / 1e3)
        watchdog.arm(0, deadline_s=_END_DEADLINE_S)
        await served.lsp.close()


class _EngineWatch:
    """Ends the server when its engine is given up; its supervisor starts both again.

    Args:
        ended: What the server waits for.
    """

    def __init__(self, ended: asyncio.Future[str]) -> None:
        self._ended = ended

    def engine_changed(self, news: EngineNews) -> None:
        """End the server if the engine is not started again by itself."""
        if news.state is EngineState.FAILED and not self._ended.done():
            self._ended.set_exception(
                EngineStartError(
                    news.what, subject="the engine", remedy=news.remedy, lasting=True
                )
            )

    def overload_changed(self, step: OverloadStep) -> None:
        """Do nothing: the metrics have it."""


def _signals() -> asyncio.Future[str]:
    """Return what gets the name of the first signal that ends the process."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[str] = loop.create_future()

    def end(name: str) -> None:
        if not ended.done():
            ended.set_result(name)

    for number in _ENDING:
        loop.add_signal_handler(number, end, number.name)
    return ended
