"""What a team server serves, wherever it listens: REST and editors, on one engine."""

import enum
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from lsp_server.access.access_log import AccessLog
from lsp_server.access.gate import Gate
from lsp_server.access.keys import NO_KEY
from lsp_server.access.limiter import Limiter, Limits
from lsp_server.config import Config
from lsp_server.daemon.charged_backend import ChargedBackend, Charges
from lsp_server.daemon.listen_lsp import LspListener, Visitor
from lsp_server.metrics import Metrics
from lsp_server.observability.observe import Observability
from lsp_server.protocol.suggestion_feedback import SuggestionFeedback
from lsp_server.rest.services import RenderMetrics, RestServices
from lsp_server.service.backend import Backend, Configurator
from lsp_server.service.configurator import LayeredConfigurator
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_pool import EnginePool
from lsp_server.setting_layers import Layer, changed_layer, editor_layer

__all__ = ["Team", "team"]

_OF_THE_EDITOR = ("completion", "context", "prompt")
_CAPPED = frozenset(
    {
        ("completion", "candidates"),
        ("completion", "max_line_tokens"),
        ("completion", "max_block_tokens"),
        ("completion", "max_document_chars"),
        ("completion", "max_line_chars"),
        ("prompt", "max_prompt_tokens"),
    }
)
"""Settings that cost the server something: its own are the most."""


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
    limiter: Limits
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
    limits: Limits | None = None,
    name: str = "",
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
        limits: Holds keys to their limits; None for a count of this process's own.
        name: Tells connections and requests from those of other processes of the
            server; empty where there are none.
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
            limiter=limits or Limiter(),
            access_log=access_log,
            metrics=measured.metrics,
        )
        lsp = LspListener(
            gate,
            shared.configurator,
            max_connections=config.listen.max_editors,
            name=name,
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


class RemoteConfigurator:
    """Lets an editor choose what is its own, within what the server's settings allow.

    Model, engine and everything else of the server's are left alone: a path would be
    one of the server's machine.

    Args:
        inner: Configures the connection.
        server: The server's settings.
        charged: Puts the key's limits round a backend.
    """

    def __init__(
        self,
        inner: Configurator,
        server: Config,
        charged: Callable[[Backend], Backend],
    ) -> None:
        self._inner = inner
        self._server = server
        self._charged = charged

    def initialize(self, options: object) -> tuple[Backend, list[str]]:
        """Make the backend from what the editor may set of its options."""
        allowed, refused = self._allowed(editor_layer(options), options)
        backend, messages = self._inner.initialize(allowed)
        return self._charged(backend), [*messages, *refused]

    def change(self, options: object) -> list[str]:
        """Apply what the editor may set of its new settings."""
        layer = changed_layer(options)
        if layer is None:
            return []
        allowed, refused = self._allowed(layer, options)
        return [*self._inner.change({"midfill": allowed}), *refused]

    def _allowed(self, layer: Layer, options: object) -> tuple[object, list[str]]:
        """Return what the editor may set, and a message about the rest."""
        if layer.problems:
            # The server says what is wrong with it.
            return options, []
        allowed: dict[str, object] = {}
        refused: list[str] = []
        for section, entries in layer.values.items():
            if not isinstance(entries, Mapping):
                allowed[section] = entries
                continue
            kept = {}
            for key, value in entries.items():
                if self._may(section, str(key), value):
                    kept[key] = value
                elif _differs(value, _held(self._server, section, str(key))):
                    refused.append(f"{section}.{key}")
            if kept:
                allowed[section] = kept
        if not refused:
            return allowed, []
        names = ", ".join(sorted(refused))
        message = (
            f"Midfill: this server is shared, and its own settings hold for {names}."
        )
        return allowed, [message]

    def _may(self, section: str, key: str, value: object) -> bool:
        """Return whether an editor may set this."""
        held = _held(self._server, section, key)
        # What does not exist is left for the check of settings, which says so.
        if section not in _OF_THE_EDITOR:
            return not hasattr(self._server, section)
        if (section, key) == ("completion", "deadline_ms"):
            return not isinstance(held, int) or held == 0 or _within(value, held)
        return (section, key) not in _CAPPED or _within(value, held)


def _held(server: Config, section: str, key: str) -> object:
    """Return a setting of the server's; None if there is none."""
    value: object = getattr(getattr(server, section, None), key, None)
    return value.value if isinstance(value, enum.Enum) else value


def _within(value: object, held: object) -> bool:
    """Return whether a number is at most the server's; others are checked later."""
    if not isinstance(value, int) or not isinstance(held, int):
        return True
    return 0 < value <= held


def _differs(value: object, held: object) -> bool:
    """Return whether a value is set, and another than the one that holds."""
    return value is not None and value != held
