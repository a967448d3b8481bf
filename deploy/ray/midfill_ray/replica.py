"""A replica: one engine of its own, for the requests that the ingress sends it."""

import asyncio
import dataclasses
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

from ray import serve
from ray.serve.handle import DeploymentHandle

from lsp_server.engine.failure import Failure
from lsp_server.engine.hang_watch import CANARY
from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.errors import (
    EngineDeadError,
    EngineError,
    EngineStartError,
    OverloadedError,
    RequestRejectedError,
)
from lsp_server.observability.observe import observed
from lsp_server.outcomes import OverloadStep
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_start import starter_of
from lsp_server.telemetry import configure_logging
from lsp_server.values import GenerationRequest, TokenDelta
from midfill_ray.options import RayOptions
from midfill_ray.reports import Reporter, Status
from midfill_ray.wire import Batch, Call, Description, fingerprint_of

__all__ = ["Replica", "clause_of", "until_ready"]

_BATCH_S = 0.02
"""How often a stream sends, behind its first token: each message takes time."""

_CANARY_LIMIT_S = 10.0


class Replica:
    """Owns one engine; its deployment takes no request before that is ready.

    Args:
        options: The application's.
        roster: The deployment of `Roster`.
    """

    async def __init__(self, options: RayOptions, roster: DeploymentHandle) -> None:  # type: ignore[misc]  # Ray awaits it
        """Start the engine, and wait until it has generated.

        Raises:
            EngineStartError: It does not start, or its model is not that of the others.
        """
        if not options.omp_threads:
            # Ray has set it to the CPUs that it reserves; without it Midfill chooses.
            os.environ.pop("OMP_NUM_THREADS", None)
        self._stack = AsyncExitStack()
        self._canaries = self._taken = 0
        resolved = options.resolved()
        config, self._problems = resolved.config, tuple(map(str, resolved.problems))
        configure_logging(config.log.level, sys.stderr)
        measured = self._stack.enter_context(observed(config.metrics, is_served=True))
        self._host = EngineHost(
            config,
            starter_of(config.engine.kind, stats=measured.vllm),
            metrics=measured.metrics,
        )
        self._stack.push_async_callback(self._host.close)
        try:
            await until_ready(self._host)
            self._description = _description_of(self._host)
            self._reporter = Reporter(roster, self._status, measured.render)
            await self._reporter.join()
            await self._stack.enter_async_context(self._reporter)
        except BaseException:
            await self._stack.aclose()
            raise

    async def describe(self) -> Description:
        """Return what the ingress has to know."""
        return self._description

    async def generate(self, call: Call) -> AsyncGenerator[Batch]:
        """Generate; the ingress cancels requests that nobody waits for any more."""
        try:
            async with aclosing(self._batches(call)) as batches:
                async for batch in batches:
                    yield batch
        except EngineError as error:
            yield Failure.of(error)

    async def check_health(self) -> None:
        """Generate a token, as Ray Serve asks every few seconds.

        Raises:
            EngineDeadError: None came: Ray Serve replaces this replica.
        """
        if self._reporter.refusal or not self._host.ready:
            what = self._reporter.refusal or self._host.news.what
            raise EngineDeadError(what, subject="replica", remedy="It is replaced")
        self._canaries += 1
        canary = dataclasses.replace(
            CANARY, request_id=f"ray-canary-{self._canaries}", user="ray:canary"
        )
        try:
            async with (
                asyncio.timeout(_CANARY_LIMIT_S),
                aclosing(self._host.engine.generate(canary)) as deltas,
            ):
                async for _ in deltas:
                    pass
        except OverloadedError:
            # It has too much to do, which is no sickness.
            return
        except TimeoutError as error:
            raise EngineDeadError(
                f"no token came within {_CANARY_LIMIT_S:g} s",
                subject="replica",
                remedy="It is replaced",
            ) from error

    async def __del__(self) -> None:
        """End the engine; Ray Serve has waited for the requests."""
        await self._stack.aclose()

    async def _batches(self, call: Call) -> AsyncGenerator[Batch]:
        """Yield tokens: the first ones at once, then a few at a time.

        Raises:
            EngineError: As the engine's own.
        """
        self._taken += 1
        request = self._accepted(call)
        sent_s = 0.0
        waiting: list[TokenDelta] = []
        async with aclosing(self._host.engine.generate(request)) as deltas:
            async for delta in deltas:
                waiting.append(delta)
                now_s = time.monotonic()
                if delta.finish_reason is not None or now_s - sent_s >= _BATCH_S:
                    yield tuple(waiting)
                    waiting.clear()
                    sent_s = now_s
        if waiting:
            yield tuple(waiting)

    def _accepted(self, call: Call) -> GenerationRequest:
        """Return the request as this machine's clock has it.

        Raises:
            RequestRejectedError: Its tokens are of another model.
        """
        if call.fingerprint != self._description.fingerprint:
            raise RequestRejectedError(
                "its tokens are of another model than the replica's",
                subject=f"request {call.request.request_id}",
                remedy="Deploy one model under one name",
            )
        if call.left_s is None:
            return call.request
        now_s = asyncio.get_running_loop().time()
        return dataclasses.replace(call.request, deadline_s=now_s + call.left_s)

    def _status(self) -> Status:
        context = serve.get_replica_context()
        engine = self._host.engine
        return Status(
            replica=context.replica_id.unique_id,
            deployment=context.deployment,
            model=self._description.model,
            fingerprint=self._description.fingerprint,
            engine=self._description.engine.name,
            device=self._description.engine.device,
            is_ready=self._host.ready,
            running=engine.running,
            waiting=engine.waiting,
            taken=self._taken,
            news="" if self._host.ready else clause_of(self._host.news),
            problems=self._problems,
        )


def clause_of(news: EngineNews) -> str:
    """Return news of an engine as a clause: what happened, and what to do."""
    return f"{news.what}; {news.remedy}" if news.remedy else news.what


async def until_ready(host: EngineHost) -> None:
    """Start a host's engine, and wait until it takes requests.

    Raises:
        EngineStartError: It was given up.
    """
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    class Listener:
        def engine_changed(self, news: EngineNews) -> None:
            if ready.done():
                return
            if news.state is EngineState.READY:
                ready.set_result(None)
            elif news.state in {EngineState.FAILED, EngineState.CLOSED}:
                ready.set_exception(
                    EngineStartError(
                        news.what, subject="replica", remedy=news.remedy, lasting=True
                    )
                )

        def overload_changed(self, step: OverloadStep) -> None:
            """Ignore it: no request is sent yet."""

    host.begin()
    detach = host.attach(Listener())
    try:
        await ready
    finally:
        detach()


def _description_of(host: EngineHost) -> Description:
    if host.model is None:
        raise RuntimeError("an engine is ready without a model")
    return Description(
        model=host.model_name,
        fingerprint=fingerprint_of(host.model.manifest),
        engine=host.engine.info,
    )
