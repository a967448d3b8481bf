"""The ingress: keys, REST and editors, with the engines of the replicas behind it.

It is the team server without an engine of its own. It builds prompts and filters texts,
as it alone knows a request's key and document; what it sends on are tokens. An editor's
connection stays with one ingress replica, each generation goes to its document's.
"""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from ray import serve
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lsp_server.access.gate import Gate
from lsp_server.access.key_ring import KeyRing
from lsp_server.config import Config, Device
from lsp_server.daemon.team import team
from lsp_server.engine.base import Engine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine_values import EngineState
from lsp_server.errors import EngineDeadError
from lsp_server.modelstore.locate import pulled_models_folder
from lsp_server.modelstore.signature import Trust
from lsp_server.observability.merged import merged
from lsp_server.observability.observe import observed
from lsp_server.rest.app import make_app
from lsp_server.rest.serve import with_websocket
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import EngineStarter
from lsp_server.service.loaded_model import LoadedModel, load_model
from lsp_server.telemetry import configure_logging
from midfill_ray.options import ENGINES, ROSTER, RayOptions
from midfill_ray.remote_engine import RemoteEngine
from midfill_ray.replica import clause_of, until_ready
from midfill_ray.reports import Report, Reporter, Status, page_of
from midfill_ray.wire import Description, fingerprint_of

__all__ = ["Ingress"]

_SCRAPE_LIMIT_S = 5.0
_LOOK_AGAIN_S = 1.0
_ID_HEADER = "x-request-id"


class Ingress:
    """Serves clients; made an ASGI deployment by `application.build`.

    Args:
        options: The application's.
        replicas: The deployment of `Replica`; None where `RayOptions.engines_of` says
            which application has it.
        roster: The deployment of `Roster`, likewise.
    """

    async def __init__(  # type: ignore[misc]  # Ray awaits it
        self,
        options: RayOptions,
        replicas: DeploymentHandle | None,
        roster: DeploymentHandle | None,
    ) -> None:
        """Wait for the first replica, and load its model's tokenizer.

        Raises:
            EngineStartError: The model here is not that of the replicas.
            KeyFileError: The keys cannot be read.
        """
        self._stack = AsyncExitStack()
        if replicas is None or roster is None:
            replicas = await _handle_of(ENGINES, options.engines_of)
            roster = await _handle_of(ROSTER, options.engines_of)
        self._roster = roster
        resolved = options.resolved()
        config, self._problems = resolved.config, tuple(map(str, resolved.problems))
        configure_logging(config.log.level, sys.stderr)
        self._description: Description = await replicas.describe.remote()
        secret: bytes = await roster.secret.remote()
        engine = RemoteEngine(replicas, self._description, secret)
        measured = self._stack.enter_context(observed(config.metrics, is_served=True))
        most = -(
            -options.max_replicas * options.most_ongoing // options.ingress_replicas
        )
        pool = EnginePool(
            lambda _kind: _starter_of(engine),
            max_engines=1,
            # Each replica has a queue of its own, and joins starts. What waits here is
            # too much even for as many replicas as there may be.
            admission=replace(config.admission, running_limit=most, joined_start_ms=0),
            metrics=measured.metrics,
            load=self._load,
        )
        self._stack.push_async_callback(pool.close)
        try:
            serving = team(
                options.layers,
                config,
                pool,
                gate=_gate(config, is_loopback=options.is_loopback),
                measured=measured,
                render_metrics=self._render,
            )
            self._team = await self._stack.enter_async_context(serving)
            await until_ready(self._team.host)
            reporter = Reporter(roster, self._status, measured.render)
            await reporter.join()
            await self._stack.enter_async_context(reporter)
        except BaseException:
            await self._stack.aclose()
            raise

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Return the application; Ray Serve calls this once everything is ready."""
        app = make_app(self._team.services)
        served = with_websocket(app, self._team.lsp.serve_websocket)
        return _without_request_id(served)

    async def check_health(self) -> None:
        """Check that requests can be sent on.

        Raises:
            EngineDeadError: They cannot, and will not: Ray Serve replaces this replica.
        """
        news = self._team.host.news
        if news.state is EngineState.FAILED:
            raise EngineDeadError(news.what, subject="ingress", remedy="It is replaced")

    async def __del__(self) -> None:
        """End every connection; Ray Serve has waited for the requests."""
        await self._stack.aclose()

    def _load(self, config: Config) -> LoadedModel:
        """Load the model as for the replicas' device, which this node may lack."""
        pulled = pulled_models_folder(config.registry.folder)
        device = Device(self._description.engine.device)
        return load_model(
            config.model.path,
            device,
            pulled=pulled,
            sha256=config.model.sha256,
            trust=Trust.of(config.models),
        )

    def _render(self) -> tuple[bytes, str]:
        """Return the metrics of all replicas; called in a thread."""
        reports: list[Report] = self._roster.reports.remote().result(
            timeout_s=_SCRAPE_LIMIT_S
        )
        deployment = serve.get_replica_context().deployment
        return merged([page_of(report, ingress=deployment) for report in reports])

    def _status(self) -> Status:
        context = serve.get_replica_context()
        host = self._team.host
        if host.model is None:
            raise RuntimeError("an ingress is ready without a model")
        return Status(
            replica=context.replica_id.unique_id,
            deployment=context.deployment,
            model=host.model_name,
            fingerprint=fingerprint_of(host.model.manifest),
            engine="",
            device="",
            is_ready=host.ready,
            running=host.engine.running,
            waiting=host.engine.waiting,
            news="" if host.ready else clause_of(host.news),
            problems=self._problems,
        )


def _without_request_id(app: ASGIApp) -> ASGIApp:
    """Return the application without the request id in its answers.

    Ray Serve's proxy puts it there: the client's, or one of its own. Midfill's log has
    it as the client's.
    """

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)[_ID_HEADER]
            await send(message)

        await app(scope, receive, sent)

    return served


async def _handle_of(deployment: str, application: str) -> DeploymentHandle:
    """Wait until another application has a deployment, and return its handle."""
    while True:
        try:
            return await asyncio.to_thread(
                serve.get_deployment_handle, deployment, application
            )
        except RayServeException:
            await asyncio.sleep(_LOOK_AGAIN_S)


def _starter_of(engine: RemoteEngine) -> EngineStarter:
    """Return a starter that returns the engine at once: the replicas run already."""

    async def start(
        _config: Config, _model: LoadedModel, _progress: StartProgress
    ) -> Engine:
        return engine

    return start


def _gate(config: Config, *, is_loopback: bool) -> Gate:
    """Return the gate, which asks clients from other machines for a key.

    Raises:
        KeyFileError: The keys cannot be read.
    """
    access = config.access
    path = Path(access.keys_file).expanduser() if access.keys_file else None
    return Gate(
        KeyRing.load(path, os.environ),
        is_local=is_loopback,
        names=access.hosts.split(),
        origins=access.origins.split(),
        insecure=access.insecure_listen,
    )
