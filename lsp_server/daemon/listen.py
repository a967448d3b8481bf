"""The team server: LSP and the REST API for other machines, on one engine."""

import asyncio
import logging
import os
import secrets
import signal
import ssl
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import NoReturn

from lsp_server.access.gate import Gate
from lsp_server.access.hosts import check_listener, is_loopback
from lsp_server.access.key_ring import KeyRing
from lsp_server.config import Config
from lsp_server.daemon.listen_lsp import FIRST_LINE_BYTES, LspListener
from lsp_server.daemon.listener import BACKLOG
from lsp_server.daemon.open_files import raise_open_files
from lsp_server.daemon.probe import Probe, published
from lsp_server.daemon.team import team
from lsp_server.daemon.tls import Certificate
from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.errors import ConfigError, EngineStartError, MidfillError
from lsp_server.modelstore.locate import locate, pulled_models_folder
from lsp_server.observability.observe import Observability, observed
from lsp_server.outcomes import OverloadStep
from lsp_server.protocol import watchdog
from lsp_server.rest.serve import bind, serve_rest, split_address
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import starter_of
from lsp_server.setting_layers import Layer
from lsp_server.settings import resolve
from lsp_server.telemetry import configure_logging

__all__ = ["run_listen"]

_log = logging.getLogger(__name__)

_END_DEADLINE_S = 15.0
_ENDING = (signal.SIGTERM, signal.SIGINT)
_TLS_HANDSHAKE_S = 10.0
_PROBE_TOKEN_BYTES = 32
_ADDRESS = "listen.address"
_TCP_ADDRESS = "listen.tcp_address"


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
    with observed(resolved.config.metrics, is_served=True) as measured:
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
    async with AsyncExitStack() as stack:
        certificate = _certificate(config)
        has_tls, token = certificate is not None, secrets.token_hex(_PROBE_TOKEN_BYTES)
        gate = _gate(config, has_tls=has_tls, probe_token=token)
        # A model that is missing now ends the server: no restart would find it.
        locate(config.model.path, pulled=pulled_models_folder(config.registry.folder))
        listener = stack.enter_context(bind(config.listen.address, setting=_ADDRESS))
        pool = EnginePool(
            partial(starter_of, stats=measured.vllm),
            max_engines=config.daemon.max_engines,
            admission=config.admission,
            metrics=measured.metrics,
        )
        stack.push_async_callback(pool.close)
        serving = team(layers, config, pool, gate=gate, measured=measured)
        served = await stack.enter_async_context(serving)
        served.host.attach(_EngineWatch(ended))
        tls = certificate.context if certificate else None
        if certificate is not None:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, certificate.reload)
        on_websocket = served.lsp.serve_websocket
        port = await stack.enter_async_context(
            serve_rest(served.services, listener, tls=tls, on_websocket=on_websocket)
        )
        await _listen_tcp(config, served.lsp, tls, stack)
        stack.enter_context(published(Probe.of(listener, tls=has_tls, token=token)))
        _log.info("listen.ready", extra={"port": port, "tls": has_tls})
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


async def _listen_tcp(
    config: Config, lsp: LspListener, tls: ssl.SSLContext | None, stack: AsyncExitStack
) -> None:
    """Speak LSP over TCP as well, if the settings say where."""
    address = config.listen.tcp_address
    if not address:
        return
    listener = stack.enter_context(bind(address, setting=_TCP_ADDRESS))
    server = await asyncio.start_server(
        lsp.serve_stream,
        sock=listener,
        ssl=tls,
        ssl_handshake_timeout=_TLS_HANDSHAKE_S if tls else None,
        limit=FIRST_LINE_BYTES,
        backlog=BACKLOG,
    )
    stack.callback(server.close)
    port = int(listener.getsockname()[1])
    _log.info("listen.tcp_ready", extra={"port": port, "tls": tls is not None})


def _certificate(config: Config) -> Certificate | None:
    """Read the certificate; None where the settings name none.

    Raises:
        ConfigError: It cannot be used, or there is a private key alone.
    """
    listen = config.listen
    if not listen.tls_certificate and listen.tls_key:
        raise ConfigError(
            "there is a private key, and no certificate",
            subject="listen.tls_key",
            remedy="Name its certificate in listen.tls_certificate, or leave the key "
            "out to listen without TLS",
        )
    if not listen.tls_certificate:
        return None
    return Certificate(listen.tls_certificate, listen.tls_key)


def _gate(config: Config, *, has_tls: bool, probe_token: str) -> Gate:
    """Return the gate, once every address is safe to listen on.

    Raises:
        ConfigError: One is not.
        KeyFileError: The keys cannot be read.
    """
    access, listen = config.access, config.listen
    path = Path(access.keys_file).expanduser() if access.keys_file else None
    ring = KeyRing.load(path, os.environ)
    named = [(listen.address, _ADDRESS)]
    if listen.tcp_address:
        named.append((listen.tcp_address, _TCP_ADDRESS))
    hosts = [split_address(address, setting=setting)[0] for address, setting in named]
    for host in hosts:
        check_listener(
            host,
            has_tls=has_tls,
            has_keys=ring.required,
            insecure=access.insecure_listen,
        )
    return Gate(
        ring,
        is_local=all(map(is_loopback, hosts)),
        names=access.hosts.split(),
        origins=access.origins.split(),
        insecure=access.insecure_listen,
        probe_token=probe_token,
    )
