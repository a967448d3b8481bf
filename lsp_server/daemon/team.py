"""What a team server serves, wherever it listens: REST and editors, on one engine."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from lsp_server.access.access_log import AccessLog
from lsp_server.access.gate import Gate
from lsp_server.access.keys import NO_KEY
from lsp_server.access.limiter import Limiter
from lsp_server.config import Config
from lsp_server.daemon.charged_backend import ChargedBackend, Charges
from lsp_server.daemon.listen_lsp import LspListener, Visitor
from lsp_server.daemon.remote_editor import RemoteConfigurator
from lsp_server.metrics import Metrics
from lsp_server.observability.observe import Observability
from lsp_server.protocol.suggestion_feedback import SuggestionFeedback
from lsp_server.rest.services import RenderMetrics, RestServices
from lsp_server.service.backend import Configurator
from lsp_server.service.configurator import LayeredConfigurator
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_pool import EnginePool
from lsp_server.setting_layers import Layer

__all__ = ["Team", "team"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A team server's parts, for whatever listens.

    Attributes:
        host: Its engine.
        services: What the REST API works with.
        lsp: Lets editors in, and serves them.
    """

    host: EngineHost
    services: RestServices
    lsp: LspListener


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What the editors of a team server share.

    Attributes:
        layers: The server's settings, layer by layer.
        config: The same, resolved.
        pool: The engines.
        limiter: Holds keys to their limits.
        access_log: Takes a line for each request.
        metrics: Takes what is measured.
    """

    layers: list[Layer]
    config: Config
    pool: EnginePool
    limiter: Limiter
    access_log: AccessLog
    metrics: Metrics

    def configurator(self, visitor: Visitor) -> Configurator:
        """Make what configures the connection of an editor."""
        prompt, completion = self.config.prompt, self.config.completion
        output_tokens = completion.candidates * completion.max_block_tokens
        charges = Charges(
            identify=visitor.identify,
            end=visitor.end,
            limiter=self.limiter,
            access_log=self.access_log,
            metrics=self.metrics,
            most_tokens=prompt.max_prompt_tokens + output_tokens,
        )
        has_key = visitor.key is not NO_KEY
        inner = LayeredConfigurator(
            self.layers,
            pool=self.pool,
            user=visitor.key.key_id if has_key else visitor.name,
            cache_salt=visitor.key.cache_salt,
            is_remote=True,
        )
        return RemoteConfigurator(
            inner, self.config, lambda backend: ChargedBackend(backend, charges)
        )


@asynccontextmanager
async def team(
    layers: list[Layer],
    config: Config,
    pool: EnginePool,
    *,
    gate: Gate,
    measured: Observability,
    render_metrics: RenderMetrics | None = None,
) -> AsyncGenerator[Team]:
    """Serve a team within the block: its engine is loaded, and kept.

    At the end no editor is connected any more; the pool's owner closes the pool.

    Args:
        layers: The settings, layer by layer.
        config: The same, resolved.
        pool: The engines.
        gate: Decides who is let in.
        measured: Takes what is measured.
        render_metrics: Returns the metrics for Prometheus; None for those measured.
    """
    async with AsyncExitStack() as stack:
        lease = pool.acquire(config)
        stack.callback(lease.release)
        access_log = AccessLog(config.access.log)
        stack.callback(access_log.close)
        shared = _Shared(
            layers=layers,
            config=config,
            pool=pool,
            limiter=Limiter(),
            access_log=access_log,
            metrics=measured.metrics,
        )
        lsp = LspListener(
            gate,
            shared.configurator,
            max_connections=config.listen.max_editors,
            feedback=partial(
                SuggestionFeedback,
                measured.metrics,
                kept_after_s=config.metrics.kept_after_s,
            ),
        )
        stack.push_async_callback(lsp.close)
        services = RestServices(
            hosts=lambda: (
                lease.host,
                *(each for each in pool.hosts if each is not lease.host),
            ),
            gate=gate,
            limiter=shared.limiter,
            access_log=access_log,
            metrics=measured.metrics,
            config=config.rest,
            render_metrics=render_metrics or measured.render,
            web_origins=tuple(config.access.origins.split()),
        )
        yield Team(host=lease.host, services=services, lsp=lsp)
