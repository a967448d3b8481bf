"""``/v1/chat/completions``, for instruct models whose owner names a chat template."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from lsp_server.rest.api_errors import ApiError
from lsp_server.rest.bodies import ChatBody
from lsp_server.rest.chat_template import ChatTemplate, Turn
from lsp_server.rest.completions import answer_with, wants_usage
from lsp_server.rest.generation import Sampling
from lsp_server.rest.openai_answers import chat_answer
from lsp_server.rest.requests import Requests
from lsp_server.rest.served_models import ServedModel
from lsp_server.values import Priority

__all__ = ["chat_router"]

_ROLES = {"developer": "system"}


def chat_router(requests: Requests) -> APIRouter:
    """Return the route."""
    router = APIRouter()

    @router.post("/v1/chat/completions", response_model=None)
    async def chat(request: Request, body: ChatBody) -> Response:
        """Answer a chat, if the model is for chats."""
        begun = requests.begin(request, model=body.model, priority=Priority.EXPLICIT)
        template = _template_of(begun.model)
        turns = [
            Turn(role=_ROLES.get(each.role, each.role), content=each.text)
            for each in body.messages
        ]
        encoder = begun.model.prompts.raw_encoder
        asked = body.max_completion_tokens or body.max_tokens
        prompt = begun.model.prompts.raw(
            template.render(turns, encoder),
            max_tokens=begun.limit_tokens(
                asked if (asked or 0) > 0 else None,
                default=begun.services.config.max_tokens,
            ),
        )
        count = body.n or 1
        generations = begun.generations(
            [prompt],
            Sampling(
                temperature=begun.temperature(body.temperature),
                top_p=body.top_p or 1.0,
                seed=body.seed,
                count=count,
                stops=tuple(body.stop or ()),
                priority=begun.priority,
            ),
        )
        answer = chat_answer(
            generations,
            count=count,
            include_usage=wants_usage(body.stream_options),
        )
        return await answer_with(request, answer, generations, streams=body.stream)

    return router


def _template_of(model: ServedModel) -> ChatTemplate:
    """Return the model's chat template.

    Raises:
        ApiError: It has none.
    """
    if model.chat is None:
        raise ApiError(
            f"{model.name} has no chat template, as a base model, which continues "
            "code and does not chat",
            subject="model",
            remedy="Use /v1/completions. If it is an instruct model, its owner sets "
            "rest.chat_template to `chatml` or to the model's template file",
            code="model_not_supported",
        )
    return model.chat
