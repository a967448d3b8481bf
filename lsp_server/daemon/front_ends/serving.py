"""A team server of several processes: this one has the engine, and no clients."""

import asyncio
import logging
import secrets
import signal
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack

from lsp_server.config import Config
from lsp_server.daemon.front_ends.fleet import FrontEnds
from lsp_server.daemon.front_ends.orders import ServeClients
from lsp_server.daemon.listen_checks import (
    ADDRESS,
    TCP_ADDRESS,
    certificate_of,
    gate_of,
)
from lsp_server.daemon.probe import Probe, published
from lsp_server.daemon.team_sockets import port_of
from lsp_server.engine.base import Engine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine_values import StartStage
from lsp_server.errors import ConfigError, MidfillError
from lsp_server.modelstore.locate import locate, pulled_models_folder
from lsp_server.observability.observe import Observability, metrics_listener
from lsp_server.protocol import watchdog
from lsp_server.rest.serve import bind, reserve
from lsp_server.service.backend import EngineListener
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import EngineStarter, starter_of
from lsp_server.service.loaded_model import LoadedModel
from lsp_server.setting_layers import Layer

__all__ = ["serve_by_front_ends"]

_log = logging.getLogger(__name__)

_END_DEADLINE_S = 15.0
_PAGE_LIMIT_S = 5.0
_TOKEN_BYTES = 32


async def serve_by_front_ends(
    layers: list[Layer],
    config: Config,
    measured: Observability,
    *,
    ended: asyncio.Future[str],
    watch: EngineListener,
    environment: Mapping[str, str],
) -> None:
    """Serve until ``ended`` says why not, and end in order.

    Args:
        layers: The settings, layer by layer.
        config: The same, resolved.
        measured: Takes what is measured in this process.
        ended: Gets the reason of the end, or an error.
        watch: Gets the engine's news.
        environment: What the front ends are started with.

    Raises:
        ConfigError: It cannot listen there, or a setting of the listener is wrong.
        EngineStartError: The engine was given up.
    """
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        certificate = certificate_of(config)
        has_tls, token = certificate is not None, secrets.token_hex(_TOKEN_BYTES)
        # What is wrong here would be wrong in every front end.
        gate_of(config, has_tls=has_tls, probe_token=token)
        locate(config.model.path, pulled=pulled_models_folder(config.registry.folder))
        http = stack.enter_context(_reserved(config.listen.address, setting=ADDRESS))
        tcp = None
        if config.listen.tcp_address:
            reserved = _reserved(config.listen.tcp_address, setting=TCP_ADDRESS)
            tcp = stack.enter_context(reserved)
            if tcp.getsockname() == http.getsockname():
                raise ConfigError(
                    "HTTP has this address already",
                    subject=f"{TCP_ADDRESS} {config.listen.tcp_address!r}",
                    remedy="choose another port",
                )
        stages = _Stages(starter_of(config.engine.kind, stats=measured.vllm))
        pool = EnginePool(
            lambda _kind: stages.start,
            max_engines=1,
            admission=config.admission,
            metrics=measured.metrics,
        )
        stack.push_async_callback(pool.close)
        lease = pool.acquire(config)
        stack.callback(lease.release)
        lease.host.attach(watch)
        order = ServeClients(
            name="",
            count=config.listen.front_ends,
            layers=[
                Layer(place=each.place, values=each.values, short=each.short)
                for each in layers
            ],
            address=_address_of(http, config.listen.address),
            tcp_address=_address_of(tcp, config.listen.tcp_address) if tcp else "",
            probe_token=token,
        )
        front_ends = FrontEnds(
            order,
            lease.host,
            stage=lambda: stages.now,
            render=measured.render,
            drain_s=config.admission.drain_ms / 1e3,
            environment=environment,
        )

        def failed(error: MidfillError) -> None:
            if not ended.done():
                ended.set_exception(error)

        def render() -> tuple[bytes, str]:
            page = asyncio.run_coroutine_threadsafe(front_ends.page(), loop)
            found = page.result(_PAGE_LIMIT_S)
            return found.text, found.media_type

        starting = asyncio.create_task(
            stack.enter_async_context(front_ends.running(failed))
        )
        either = asyncio.Event()
        for each in (starting, ended):
            each.add_done_callback(lambda _done: either.set())
        await either.wait()
        if not starting.done():
            # A signal, or the engine is given up: nobody was served yet.
            starting.cancel()
            await asyncio.wait({starting})
            _log.info("listen.end", extra={"reason": await ended})
            return
        await starting
        stack.enter_context(metrics_listener(config.metrics.listen, render))
        if certificate is not None:
            loop.add_signal_handler(signal.SIGHUP, front_ends.reload)
        stack.enter_context(published(Probe.of(http, tls=has_tls, token=token)))
        if tcp is not None:
            extra = {"port": port_of(tcp), "tls": has_tls}
            _log.info("listen.tcp_ready", extra=extra)
        extra = {
            "port": port_of(http),
            "tls": has_tls,
            "front_ends": config.listen.front_ends,
        }
        _log.info("listen.ready", extra=extra)
        reason = await ended
        _log.info("listen.end", extra={"reason": reason})
        # The front ends end first, and complete what they have.
        watchdog_s = config.admission.drain_ms / 1e3 + _END_DEADLINE_S
        watchdog.arm(0, deadline_s=watchdog_s)


class _Stages:
    """Starts the engine, and knows how far that is.

    Args:
        starter: Starts it.
    """

    def __init__(self, starter: EngineStarter) -> None:
        self._starter = starter
        self._progress: StartProgress | None = None

    @property
    def now(self) -> StartStage:
        """The stage of the latest start."""
        return self._progress.stage if self._progress else StartStage.VERIFY

    async def start(
        self, config: Config, model: LoadedModel, progress: StartProgress
    ) -> Engine:
        """Start the engine."""
        self._progress = progress
        return await self._starter(config, model, progress)


def _reserved(address: str, *, setting: str) -> socket.socket:
    """Return a socket that holds an address for the front ends.

    Raises:
        ConfigError: It is in use, or cannot be shared.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ConfigError(
            "several front ends cannot listen on one address on this system",
            subject="listen.front_ends",
            remedy="set it to 1",
        )
    # Another server with front ends of this user's would share it without a word.
    with bind(address, setting=setting) as alone:
        port = port_of(alone)
    host = address.rpartition(":")[0]
    return reserve(f"{host}:{port}", setting=setting, is_shared=True)


def _address_of(bound: socket.socket, address: str) -> str:
    """Return an address with the port that was given to it."""
    return f"{address.rpartition(':')[0]}:{port_of(bound)}"
