"""Serves the REST API beside the editors, on the daemon's engines."""

import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from lsp_server.access.access_log import AccessLog
from lsp_server.access.gate import Gate
from lsp_server.access.hosts import check_listener, is_loopback
from lsp_server.access.key_ring import KeyRing
from lsp_server.access.limiter import Limiter
from lsp_server.config import Config
from lsp_server.errors import ConfigError, KeyFileError
from lsp_server.metrics import Metrics, NoMetrics
from lsp_server.rest.serve import bind, serve_rest, split_address
from lsp_server.rest.services import RenderMetrics, RestServices
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_pool import EnginePool

__all__ = ["rest_api"]

_log = logging.getLogger(__name__)


@asynccontextmanager
async def rest_api(
    config: Config,
    pool: EnginePool,
    *,
    metrics: Metrics | None = None,
    render_metrics: RenderMetrics | None = None,
    on_refused: Callable[[str], None] = lambda _why: None,
) -> AsyncGenerator[int | None]:
    """Serve the REST API within the block, if the settings say where.

    The engine of these settings is loaded, and kept. What keeps the API from being
    served is logged, and costs the editors nothing.

    Args:
        config: The settings.
        pool: The engines.
        metrics: Takes what is measured.
        render_metrics: See `RestServices`.
        on_refused: Called with why the API is not served, where it is not.

    Yields:
        The port; None where nothing is served.
    """
    if not config.rest.listen:
        yield None
        return
    async with AsyncExitStack() as stack:
        port = None
        try:
            gate = _gate(config)
            bound = stack.enter_context(bind(config.rest.listen))
            lease = pool.acquire(config)
            stack.callback(lease.release)
            access_log = AccessLog(config.access.log)
            stack.callback(access_log.close)
            services = RestServices(
                hosts=lambda: _first(lease.host, pool),
                gate=gate,
                limiter=Limiter(),
                access_log=access_log,
                metrics=metrics or NoMetrics(),
                config=config.rest,
                render_metrics=render_metrics,
                web_origins=tuple(config.access.origins.split()),
            )
            serving = serve_rest(services, bound)
            port = await stack.enter_async_context(serving)
        except (ConfigError, KeyFileError) as error:
            _log.error("rest.not_served", extra={"why": str(error)})
            on_refused(str(error))
        yield port


def _gate(config: Config) -> Gate:
    """Return the gate, once the address is safe to listen on.

    Raises:
        ConfigError: It is not.
        KeyFileError: The keys cannot be read.
    """
    access = config.access
    path = Path(access.keys_file).expanduser() if access.keys_file else None
    ring = KeyRing.load(path, os.environ)
    host, _ = split_address(config.rest.listen)
    try:
        check_listener(
            host,
            has_tls=False,
            has_keys=ring.required,
            insecure=access.insecure_listen,
        )
    except ConfigError as error:
        # The daemon has no certificate to give.
        raise ConfigError(
            error.what,
            subject=f"rest.listen {config.rest.listen!r}",
            remedy="Set rest.listen to an address of this machine, such as "
            "127.0.0.1:8012; for other machines run `midfill serve --listen` with a "
            "certificate and keys. access.insecure_listen = true opens it to all",
        ) from error
    return Gate(
        ring,
        is_local=is_loopback(host),
        names=access.hosts.split(),
        origins=access.origins.split(),
        insecure=access.insecure_listen,
    )


def _first(host: EngineHost, pool: EnginePool) -> tuple[EngineHost, ...]:
    """Return the engines, the API's own first."""
    return (host, *(each for each in pool.hosts if each is not host))
