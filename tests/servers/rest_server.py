"""A real HTTP server with the scripted engine and the shipped model's tokenizer."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import openai

from lsp_server.access.access_log import AccessLog
from lsp_server.access.gate import Gate
from lsp_server.access.key_ring import KeyRing
from lsp_server.access.limiter import Limiter
from lsp_server.config import (
    SHIPPED_MODEL,
    Config,
    EngineKind,
    RestConfig,
    ScriptConfig,
)
from lsp_server.engine.base import Engine
from lsp_server.engine.scripted import ScriptedEngine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine_values import EngineNews, EngineState
from lsp_server.metrics import NoMetrics, Refusal, RequestRecord, Route
from lsp_server.modelstore.locate import shipped_models
from lsp_server.outcomes import OverloadStep
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.rest.serve import OnWebsocket, serve_rest
from lsp_server.rest.services import RestServices
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_start import starter_of
from lsp_server.service.loaded_model import LoadedModel

MODEL = shipped_models()[SHIPPED_MODEL]
TOKENIZER = FastTokenizer(MODEL)


class Counted(NoMetrics):
    """Keeps what is measured of requests."""

    def __init__(self) -> None:
        self.done: list[RequestRecord] = []
        self.refused: list[tuple[Route, Refusal]] = []

    def request_done(self, record: RequestRecord) -> None:
        self.done.append(record)

    def request_refused(self, route: Route, refusal: Refusal) -> None:
        self.refused.append((route, refusal))


@dataclass(slots=True, kw_only=True)
class Served:
    """A server, and what can be seen of it from inside.

    Attributes:
        url: Where it is.
        http: A client without a key.
        metrics: What it measured.
        engines: The engines that it started.
        host: The host of its engine.
        log: Its access log.
    """

    url: str
    http: httpx.AsyncClient
    metrics: Counted
    log: Path
    engines: list[ScriptedEngine]
    host: EngineHost
    clients: list[openai.AsyncOpenAI] = field(default_factory=list)

    @property
    def engine(self) -> ScriptedEngine:
        """The engine that runs."""
        return self.engines[-1]

    def openai(self, key: str = "none") -> openai.AsyncOpenAI:
        """Return the official client; closed with the server."""
        client = openai.AsyncOpenAI(
            base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=60
        )
        self.clients.append(client)
        return client

    def prompt(self, number: int = -1) -> str:
        """Spell what the engine has read, control tokens shown."""
        return TOKENIZER.spell(self.engine.requests[number].token_ids)


Serve = Callable[..., AbstractAsyncContextManager[Served]]
"""What the fixture `serve` is: `serving` with a folder of the test's own."""


@asynccontextmanager
async def serving(
    folder: Path,
    text: str = "pass\n",
    *,
    keys: str = "",
    is_local: bool = True,
    config: Config | None = None,
    rest: RestConfig | None = None,
    script: ScriptConfig | None = None,
    starts: bool = True,
    web_origins: tuple[str, ...] = (),
    tls: ssl.SSLContext | None = None,
    on_websocket: OnWebsocket | None = None,
) -> AsyncGenerator[Served]:
    """Serve the REST API within the block.

    Args:
        folder: For the access log and the keys.
        text: What the engine answers with.
        keys: The lines of the key file; empty for none.
        is_local: Whether only this machine reaches the server.
        config: Other settings.
        rest: The settings of the API.
        script: What else the engine does.
        starts: Whether the engine is started.
        web_origins: Origins of web pages that may use the server.
        tls: The certificate.
        on_websocket: Serves websockets.
    """
    base = config or Config()
    settings = replace(
        base,
        engine=replace(base.engine, kind=EngineKind.SCRIPTED),
        scripted=replace(script or ScriptConfig(), text=text),
        rest=rest or RestConfig(),
    )
    engines: list[ScriptedEngine] = []

    async def start(
        config: Config, model: LoadedModel, progress: StartProgress
    ) -> Engine:
        engine = await starter_of(EngineKind.SCRIPTED)(config, model, progress)
        assert isinstance(engine, ScriptedEngine)
        engines.append(engine)
        return engine

    metrics = Counted()
    host = EngineHost(settings, start, metrics=metrics)
    log = folder / "access.jsonl"
    access_log = AccessLog(str(log))
    key_file = folder / "keys.jsonl"
    if keys:
        key_file.write_text(keys, encoding="utf-8")
        key_file.chmod(0o600)
    ring = KeyRing.load(key_file, {})
    services = RestServices(
        hosts=lambda: (host,),
        gate=Gate(ring, is_local=is_local, origins=web_origins),
        limiter=Limiter(),
        access_log=access_log,
        metrics=metrics,
        config=settings.rest,
        render_metrics=lambda: (b"midfill_requests_total 1\n", "text/plain"),
        web_origins=web_origins,
    )
    if starts:
        host.begin()
        await _until_ready(host)
    try:
        serving = serve_rest(
            services, "127.0.0.1:0", tls=tls, on_websocket=on_websocket
        )
        async with serving as port:
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url, timeout=60) as client:
                served = Served(
                    url=url,
                    http=client,
                    metrics=metrics,
                    log=log,
                    engines=engines,
                    host=host,
                )
                try:
                    yield served
                finally:
                    for each in served.clients:
                        await each.close()
    finally:
        await host.close()
        access_log.close()


async def _until_ready(host: EngineHost) -> None:
    """Wait until an engine is ready."""
    ready = asyncio.Event()

    class Listener:
        def engine_changed(self, news: EngineNews) -> None:
            if news.state is EngineState.READY:
                ready.set()

        def overload_changed(self, step: OverloadStep) -> None:
            """Not of interest here."""

    detach = host.attach(Listener())
    async with asyncio.timeout(60):
        await ready.wait()
    detach()
