"""One HTTP request with what is known of it, from its arrival to the access log."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from starlette.requests import Request

from lsp_server.access.access_log import AccessRecord
from lsp_server.access.keys import NO_KEY, Key, Route
from lsp_server.metrics import Route as MeasuredRoute
from lsp_server.outcomes import RequestTimings

__all__ = ["CLIENT_GONE", "Exchange", "exchange_of", "route_of"]

CLIENT_GONE = 499
"""The status in the log of a request whose client did not wait for the response.

Source: nginx's own status, which log readers know.
"""

_ROUTES: Mapping[str, Route] = MappingProxyType(
    {
        "/v1/completions": Route.COMPLETIONS,
        "/v1/chat/completions": Route.CHAT,
        "/infill": Route.INFILL,
        "/v1/models": Route.MODELS,
        "/props": Route.MODELS,
        "/metrics": Route.METRICS,
        "/ready": Route.READY,
        "/health": Route.HEALTH,
        "/docs": Route.DOCS,
        "/openapi.json": Route.DOCS,
    }
)
_MEASURED: Mapping[Route, MeasuredRoute] = MappingProxyType(
    {
        Route.COMPLETIONS: MeasuredRoute.COMPLETIONS,
        Route.CHAT: MeasuredRoute.CHAT,
        Route.INFILL: MeasuredRoute.INFILL,
    }
)


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request and its response.

    Attributes:
        request_id: Its id in the log, in the engine and in the response's body.
        route: What is asked for.
        client: The client's address, without a port.
        document: What the client says that it asks about, in the header
            ``x-session-id``; empty where it does not say.
        client_id: The id that the client, or a proxy before it, sends in the header
            ``x-request-id``; empty where there is none, or none that is fit for a log.
        arrived_s: When it came, by ``time.perf_counter``.
        key: Whose request it is.
        status: The response's HTTP status.
        timings: What was generated and what it took, once known.
    """

    request_id: str
    route: Route
    client: str
    document: str = ""
    client_id: str = ""
    arrived_s: float = field(default_factory=time.perf_counter)
    key: Key = NO_KEY
    status: int = CLIENT_GONE
    timings: RequestTimings | None = None

    @property
    def measured_route(self) -> MeasuredRoute:
        """The route's name in metrics."""
        return _MEASURED.get(self.route, MeasuredRoute.OTHER)

    @property
    def user(self) -> str:
        """Whose turn it is in the queue: a key's, or without keys a machine's."""
        return f"rest:{self.client if self.key is NO_KEY else self.key.key_id}"

    @property
    def ids(self) -> Mapping[str, str]:
        """The ids by which the log names it: its own, and the client's if any."""
        given = {"client_id": self.client_id} if self.client_id else {}
        return {"request_id": self.request_id, **given}

    @property
    def record(self) -> AccessRecord:
        """The line of the access log."""
        timings = self.timings
        if timings is None:
            total_ms = (time.perf_counter() - self.arrived_s) * 1e3
            return AccessRecord(
                request_id=self.request_id,
                client_id=self.client_id,
                key_id=self.key.key_id,
                route=self.route,
                status=self.status,
                stages_ms={"total": total_ms},
            )
        stages = {stage.value: ms for stage, ms in timings.stages_ms.items()}
        return AccessRecord(
            request_id=self.request_id,
            client_id=self.client_id,
            key_id=self.key.key_id,
            route=self.route,
            status=self.status,
            prompt_tokens=timings.prompt_tokens,
            cached_tokens=timings.cached_tokens,
            output_tokens=timings.output_tokens,
            stages_ms={**stages, "total": timings.total_ms},
        )


def route_of(path: str) -> Route:
    """Return what a path asks for; only an exact path is a route of its own."""
    if path.startswith("/v1/models/"):
        return Route.MODELS
    return _ROUTES.get(path, Route.OTHER)


def exchange_of(request: Request) -> Exchange:
    """Return what the guard has noted of a request."""
    exchange: Exchange = request.state.exchange
    return exchange
