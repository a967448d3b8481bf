"""What replicas report of themselves, and the roster that keeps it.

The roster is one small deployment. It knows which replicas there are, so that
``midfill ray status`` and ``/metrics`` can answer for all of them, wherever Ray has put
them; and it refuses a replica whose model is another one.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from lsp_server.errors import EngineStartError
from lsp_server.observability.merged import Page
from lsp_server.rest.services import RenderMetrics

__all__ = ["Report", "Reporter", "Roster", "Status", "page_of"]

_log = logging.getLogger(__name__)

_INTERVAL_S = 2.0
_FORGOTTEN_S = 3 * _INTERVAL_S
_SETTLED_S = _INTERVAL_S + 0.5
_JOIN_LIMIT_S = 10.0
_LEAVE_LIMIT_S = 0.5
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of a replica, of the engines or of the ingress.

    Attributes:
        replica: Its id.
        deployment: What it is a replica of.
        model: The model's name.
        fingerprint: Which files the model is.
        engine: The engine's name.
        device: Where the engine computes.
        is_ready: Whether it takes requests.
        running: How many generations it works on.
        waiting: How many wait for their turn.
        taken: How many it was sent since its start; 0 of an ingress.
        news: What happens to its engine, and what to do; empty while it is ready.
        problems: Settings that it left out, and why.
    """

    replica: str
    deployment: str
    model: str
    fingerprint: str
    engine: str
    device: str
    is_ready: bool
    running: int
    waiting: int
    taken: int = 0
    news: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a replica sends every two seconds.

    Attributes:
        status: Its state.
        metrics: Its metrics, in Prometheus' text format.
    """

    status: Status
    metrics: bytes


def page_of(report: Report, *, ingress: str) -> Page:
    """Return a replica's metrics, with labels that tell replicas apart.

    Args:
        report: What it sent.
        ingress: The name of the deployment that has no engine.
    """
    status = report.status
    return Page(
        labels={"deployment": status.deployment, "replica": status.replica},
        has_engine=status.deployment != ingress,
        text=report.metrics,
    )


class Roster:
    """Keeps the latest report of each replica, and the deployment's secret.

    Args:
        clock: Returns monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_s = clock()
        self._reports: dict[str, tuple[float, Report]] = {}
        self._secret = secrets.token_bytes(_SECRET_BYTES)

    async def secret(self) -> bytes:
        """Return the key that hashes documents' names; a new roster has another one."""
        return self._secret

    async def join(self, report: Report) -> str:
        """Keep a replica's first report, as `take` does.

        A roster that was started again first waits for the reports of the replicas that
        serve, so that it knows their model.
        """
        age_s = self._clock() - self._began_s
        await asyncio.sleep(max(0.0, _SETTLED_S - age_s))
        return await self.take(report)

    async def take(self, report: Report) -> str:
        """Keep a report; return why the replica must not serve, or nothing.

        Of two models the one that came first stays.
        """
        status = report.status
        for other in await self.reports():
            held = other.status
            if held.fingerprint != status.fingerprint:
                return (
                    f"the other replicas serve {held.model} "
                    f"({held.fingerprint[:12]}), and this one has {status.model} "
                    f"({status.fingerprint[:12]})"
                )
        self._reports[status.replica] = self._clock(), report
        return ""

    async def leave(self, replica: str) -> None:
        """Forget a replica that ends."""
        self._reports.pop(replica, None)

    async def reports(self) -> Sequence[Report]:
        """Return the reports of all replicas that have reported lately."""
        oldest_s = self._clock() - _FORGOTTEN_S
        kept = {
            name: (at_s, report)
            for name, (at_s, report) in self._reports.items()
            if at_s >= oldest_s
        }
        self._reports = kept
        return [report for _, report in kept.values()]


class Reporter:
    """Reports to the roster every two seconds, within its block.

    Args:
        roster: The deployment of `Roster`.
        status: Returns the replica's state.
        render: Returns its metrics; None where there are none.

    Attributes:
        refusal: Why the replica must not serve any more; empty while it may.
    """

    def __init__(
        self,
        roster: DeploymentHandle,
        status: Callable[[], Status],
        render: RenderMetrics | None,
    ) -> None:
        self._roster = roster
        self._status = status
        self._render = render
        self._task: asyncio.Task[None] | None = None
        self.refusal = ""

    async def join(self) -> None:
        """Report for the first time.

        Raises:
            EngineStartError: The other replicas serve another model, or the roster does
                not answer.
        """
        try:
            async with asyncio.timeout(_JOIN_LIMIT_S):
                refusal = await self._send(self._roster.join)
        except TimeoutError as error:
            raise EngineStartError(
                "the roster does not answer", subject="replica", remedy=""
            ) from error
        if refusal:
            raise EngineStartError(
                refusal,
                subject="replica",
                remedy="Deploy one model under one name: put the same folder on every "
                "node, and another model under another application's name",
                lasting=True,
            )

    async def __aenter__(self) -> Self:
        """Begin."""
        self._task = asyncio.create_task(self._report(), name="ray-reporter")
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """End the reports, and have the roster forget the replica."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        # Where the whole application ends, the roster may have gone before.
        with contextlib.suppress(TimeoutError, RayError, RayServeException):
            async with asyncio.timeout(_LEAVE_LIMIT_S):
                await self._roster.leave.remote(self._status().replica)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_S)
            try:
                async with asyncio.timeout(_INTERVAL_S):
                    self.refusal = await self._send(self._roster.take)
            except (TimeoutError, RayError, RayServeException) as error:
                # It costs the replica nothing but its line in the status.
                extra = {"error": type(error).__name__}
                _log.warning("ray.roster_silent", extra=extra)

    async def _send(self, method: DeploymentHandle) -> str:
        metrics = b""
        if self._render is not None:
            metrics, _ = await asyncio.to_thread(self._render)
        report = Report(status=self._status(), metrics=metrics)
        refusal: str = await method.remote(report)
        return refusal
