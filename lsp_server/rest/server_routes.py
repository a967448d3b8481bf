"""What clients and operators ask of the server itself: models, health, metrics."""

import asyncio
from contextlib import aclosing
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from lsp_server import __version__
from lsp_server.errors import EngineDeadError, MidfillError
from lsp_server.rest.api_errors import ApiError
from lsp_server.rest.exchange import exchange_of
from lsp_server.rest.served_models import ServedModel, ServedModels
from lsp_server.rest.services import RestServices
from lsp_server.values import GenerationRequest, Priority

__all__ = ["server_router"]

_PROOF_LASTS_S = 5.0
_PROOF_LIMIT_S = 5.0


def server_router(services: RestServices, models: ServedModels) -> APIRouter:
    """Return the routes."""
    router = APIRouter()
    readiness = _Readiness(models)

    @router.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process lives; open to all, and no more than that."""
        return {"status": "ok"}

    @router.get("/ready", response_model=None)
    async def ready() -> dict[str, str]:
        """Say that completions work, as proved by one a few seconds ago at most."""
        return {"status": "ready", "model": await readiness.prove()}

    @router.get("/metrics", response_model=None)
    async def metrics() -> Response:
        """Return the metrics for Prometheus."""
        if services.render_metrics is None:
            raise ApiError(
                "this server keeps no metrics",
                remedy="Turn metrics on in its settings",
                status=HTTPStatus.NOT_FOUND,
                code="not_found",
            )
        content, media_type = await asyncio.to_thread(services.render_metrics)
        return Response(content, media_type=media_type)

    @router.get("/v1/models", response_model=None)
    @router.get("/v1/models/", response_model=None, include_in_schema=False)
    async def list_models(request: Request) -> JSONResponse:
        """List the models that the client may use."""
        names = models.names(exchange_of(request).key)
        listed = [_model(name, models.ready(name)) for name in names]
        return JSONResponse({"object": "list", "data": listed})

    @router.get("/v1/models/{name:path}", response_model=None)
    async def one_model(request: Request, name: str) -> JSONResponse:
        """Describe one model."""
        key = exchange_of(request).key
        found = models.find(name, key)
        return JSONResponse(_model(found.name, found))

    @router.get("/props", response_model=None)
    async def props() -> JSONResponse:
        """Describe the server as llama.cpp does, for its clients."""
        model = models.default()
        config = model.host.config
        return JSONResponse(
            {
                "default_generation_settings": {
                    "n_ctx": model.max_model_len,
                    "temperature": config.completion.temperature,
                },
                "total_slots": config.engine.max_num_seqs,
                "model_alias": model.name,
                "modalities": {"vision": False, "audio": False},
                "build_info": f"midfill {__version__}",
            }
        )

    return router


class _Readiness:
    """Proves that the first engine generates; one proof serves all who ask at once."""

    def __init__(self, models: ServedModels) -> None:
        self._models = models
        self._lock = asyncio.Lock()
        self._proved: ServedModel | None = None
        self._proved_s = 0.0
        self._number = 0

    async def prove(self) -> str:
        """Return the model's name.

        Raises:
            EngineDeadError: Nothing can be generated now.
            OverloadedError: The engine has no time even for one token.
        """
        async with self._lock:
            model = self._models.default()
            now_s = asyncio.get_running_loop().time()
            is_fresh = now_s - self._proved_s < _PROOF_LASTS_S
            if model is not self._proved or not is_fresh:
                await self._generate(model)
                self._proved = model
                self._proved_s = asyncio.get_running_loop().time()
            return model.name

    async def _generate(self, model: ServedModel) -> None:
        self._number += 1
        prompt = model.prompts.continue_text("x = ", max_tokens=1).prompt
        request = GenerationRequest(
            request_id=f"rest-ready-{self._number}",
            token_ids=prompt.token_ids,
            max_tokens=1,
            user="rest:readiness",
            priority=Priority.EXPLICIT,
        )
        try:
            async with (
                asyncio.timeout(_PROOF_LIMIT_S),
                aclosing(model.host.engine.generate(request)) as deltas,
            ):
                async for _ in deltas:
                    pass
        except TimeoutError as error:
            raise EngineDeadError(
                f"no token came within {_PROOF_LIMIT_S:g} s",
                subject="readiness",
                remedy="wait; an engine that hangs is restarted",
            ) from error
        except MidfillError:
            self._proved = None
            raise


def _model(name: str, model: ServedModel | None) -> dict[str, object]:
    described: dict[str, object] = {
        "id": name,
        "object": "model",
        "created": model.since if model else 0,
        "owned_by": "midfill",
    }
    if model is not None:
        described["max_model_len"] = model.max_model_len
    return described
