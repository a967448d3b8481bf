"""The REST API as one application.

Every route is Midfill's own: nothing of vLLM's server is mounted.
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from lsp_server import __version__
from lsp_server.metrics import Refusal
from lsp_server.rest.api_errors import Problem
from lsp_server.rest.chat_template import ChatTemplate
from lsp_server.rest.completions import chat_router, completions_router
from lsp_server.rest.docs_page import add_docs_page
from lsp_server.rest.exchange import exchange_of
from lsp_server.rest.guard import Guard, answer_problem, note_problem
from lsp_server.rest.infill import infill_router
from lsp_server.rest.invalid_bodies import invalid_body
from lsp_server.rest.requests import Requests
from lsp_server.rest.served_models import ServedModels
from lsp_server.rest.server_routes import server_router
from lsp_server.rest.services import RestServices

__all__ = ["make_app"]

_HTTP_WORDS: Mapping[int, str] = MappingProxyType(
    {
        HTTPStatus.NOT_FOUND: "there is no such route",
        HTTPStatus.METHOD_NOT_ALLOWED: "this route takes no method but {allowed}",
        HTTPStatus.BAD_REQUEST: "its body is nested too deeply, or has a number of "
        "too many digits",
    }
)

_DESCRIPTION = """Code completion, as OpenAI's clients and llama.cpp's ask for it.

Where the server has API keys, every route but `/health` wants one, in the header
`Authorization: Bearer KEY`."""


def make_app(services: RestServices) -> FastAPI:
    """Return the application.

    Args:
        services: What it works with; their owner ends them.

    Raises:
        ConfigError: The setting ``rest.chat_template`` names no template.
    """
    app = FastAPI(
        title="Midfill",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    template = ChatTemplate.read(services.config.chat_template)
    models = ServedModels(services.hosts, services.config, template)
    requests = Requests(services, models)
    app.include_router(completions_router(requests))
    app.include_router(chat_router(requests))
    app.include_router(infill_router(requests))
    app.include_router(server_router(services, models))
    add_docs_page(app)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        content_type = request.headers.get("content-type", "")
        problem = invalid_body(error.errors(), content_type=content_type)
        return _answer(request, problem)

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> Response:
        answer = _answer(request, _problem_of_http(error))
        allowed = (error.headers or {}).get("Allow", "")
        if allowed:
            answer.headers["allow"] = allowed.replace("GET", "GET, HEAD")
        return answer

    def _answer(request: Request, problem: Problem) -> Response:
        note_problem(exchange_of(request), problem, None, services.metrics)
        return answer_problem(problem)

    app.add_middleware(
        Guard,
        gate=services.gate,
        access_log=services.access_log,
        metrics=services.metrics,
        max_body_bytes=services.config.max_body_bytes,
    )
    if services.web_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(services.web_origins),
            allow_methods=["GET", "POST"],
            # OpenAI's client for web pages sends a dozen of its own.
            allow_headers=["*"],
            expose_headers=["midfill-prompt", "retry-after", "x-request-id"],
        )
    return app


def _problem_of_http(error: HTTPException) -> Problem:
    """Return the problem of a request that no route takes, or not as JSON."""
    allowed = (error.headers or {}).get("Allow", "")
    what = _HTTP_WORDS.get(error.status_code, "it cannot be read")
    if isinstance(error.__cause__, UnicodeDecodeError):
        what = "its body is not JSON in UTF-8"
    is_unknown = error.status_code == HTTPStatus.NOT_FOUND
    return Problem(
        status=error.status_code,
        kind="invalid_request_error",
        code="unknown_url" if is_unknown else "invalid_request",
        message=f"the request: {what.format(allowed=allowed)}. The page /docs lists "
        "the routes; bodies are JSON, with the header `content-type: "
        "application/json`.",
        refusal=Refusal.NOT_FOUND if is_unknown else Refusal.INVALID,
    )
