"""What the REST API works with: engines, access, metrics, settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lsp_server.access.access_log import AccessLog
from lsp_server.access.gate import Gate
from lsp_server.access.limiter import Limits
from lsp_server.config import RestConfig
from lsp_server.metrics import Metrics
from lsp_server.service.engine_host import EngineHost

__all__ = ["RenderMetrics", "RestServices"]

RenderMetrics = Callable[[], tuple[bytes, str]]
"""Returns metrics as text, and the media type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestServices:
    """The parts of a process that the REST API uses; their owner ends them.

    Attributes:
        hosts: Returns the engines of now, the default one first.
        gate: Decides who may use what.
        limiter: Holds keys to their limits.
        access_log: Takes a line for each request.
        metrics: Takes what is measured.
        config: The settings of the API.
        render_metrics: Returns the metrics for Prometheus, and takes milliseconds for
            it; None where none are kept.
        web_origins: Origins of web pages that may use the server.
    """

    hosts: Callable[[], Sequence[EngineHost]]
    gate: Gate
    limiter: Limits
    access_log: AccessLog
    metrics: Metrics
    config: RestConfig
    render_metrics: RenderMetrics | None = None
    web_origins: tuple[str, ...] = ()
