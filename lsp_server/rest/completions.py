"""``/v1/completions`` and ``/v1/chat/completions``, as OpenAI has them.

A completion fills a gap with ``suffix``, and continues a text without. A chat is for
instruct models whose owner names a chat template.
"""

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from lsp_server.rest.api_errors import ApiError
from lsp_server.rest.bodies import ChatBody, CompletionBody, StreamOptions
from lsp_server.rest.chat_template import ChatTemplate, Turn
from lsp_server.rest.generation import Generations, Sampling
from lsp_server.rest.openai_answers import Answer, chat_answer, completion_answer
from lsp_server.rest.requests import BegunRequest, Requests
from lsp_server.rest.served_models import ServedModel
from lsp_server.rest.streaming import EventStream, first_of, while_connected
from lsp_server.service.text_prompts import TextPrompt
from lsp_server.values import Priority

__all__ = ["chat_router", "completions_router"]

_DEFAULT_TOKENS = 16
"""Source: OpenAI's reference of the legacy completions route."""

_MOST_CHOICES = 32
_RAW_HEADER = "midfill-raw"
_YES, _NO = frozenset({"1", "true"}), frozenset({"0", "false"})

Tokens = Sequence[int]

_ROLES = {"developer": "system"}
"""Names of roles that templates know by another name."""


def completions_router(requests: Requests) -> APIRouter:
    """Return the route."""
    router = APIRouter()

    @router.post("/v1/completions", response_model=None)
    async def completions(request: Request, body: CompletionBody) -> Response:
        """Complete code: with `suffix` at a gap, without behind the prompt.

        With `raw` (also as the query `?raw=true` or the header `midfill-raw: true`) the
        prompt is already rendered, and control tokens named in it count as such.
        """
        begun = await requests.begin(request, model=body.model)
        prompts = _prompts_of(body)
        count = _count(body, len(prompts))
        is_raw = _is_raw(request, body, by_key=begun.exchange.key.raw)
        max_tokens = begun.limit_tokens(body.max_tokens, default=_DEFAULT_TOKENS)
        made = [
            _make(begun, prompt, body.suffix, max_tokens, is_raw=is_raw)
            for prompt in prompts
        ]
        generations = begun.generations(
            made,
            Sampling(
                temperature=begun.temperature(body.temperature),
                top_p=body.top_p or 1.0,
                seed=body.seed,
                count=count,
                stops=tuple(body.stop or ()),
            ),
        )
        echoes = tuple(
            _echo(begun.model, prompt) if body.echo else ""
            for prompt in prompts
            for _ in range(count)
        )
        answer = completion_answer(
            generations, echoes=echoes, include_usage=_wants_usage(body.stream_options)
        )
        return await _answer_with(request, answer, generations, streams=body.stream)

    return router


async def _answer_with(
    request: Request, answer: Answer, generations: Generations, *, streams: bool | None
) -> Response:
    """Answer a request, whole or as a stream, for as long as its client waits.

    Raises:
        MidfillError: The generation failed, or was refused, before it began.
        ClientGoneError: The client has gone.
    """
    is_cut = any(prompt.is_cut for prompt in generations.prompts)
    headers = {"midfill-prompt": "cut" if is_cut else "whole"}
    if streams:
        events = answer.parts()
        first = await while_connected(request.receive, first_of(events))
        return EventStream(first, events, headers=headers)
    whole = await while_connected(request.receive, answer.whole())
    return JSONResponse(dict(whole), headers=headers)


def _wants_usage(options: StreamOptions | None) -> bool:
    """Return whether a stream shall end with what it took."""
    return bool(options and options.include_usage)


def _prompts_of(body: CompletionBody) -> Sequence[str | Tokens]:
    """Return the prompts of a request, one or several.

    Raises:
        ApiError: There are none.
    """
    prompt = body.prompt
    if isinstance(prompt, str):
        return (prompt,)
    if not prompt:
        raise ApiError(
            "it is empty", subject="prompt", remedy="send a text, or a list of texts"
        )
    texts = [each for each in prompt if isinstance(each, str)]
    token_lists = [tuple(each) for each in prompt if isinstance(each, list)]
    tokens = tuple(each for each in prompt if isinstance(each, int))
    return texts or token_lists or (tokens,)


def _count(body: CompletionBody, prompts: int) -> int:
    """Return how many texts each prompt gets.

    Raises:
        ApiError: They are too many, or not all would be returned.
    """
    count = body.n or 1
    if body.best_of not in {None, count}:
        raise ApiError(
            "this server returns every text that it generates",
            subject="best_of",
            remedy="leave it out, or let it equal n",
            code="unsupported_parameter",
        )
    if prompts * count > _MOST_CHOICES:
        raise ApiError(
            f"prompts times n are more than {_MOST_CHOICES}",
            subject="n",
            remedy="send several requests",
        )
    return count


def _is_raw(request: Request, body: CompletionBody, *, by_key: bool) -> bool:
    """Return whether the prompt is rendered: the request says it, or else its key.

    Raises:
        ApiError: It is said to be raw and has a suffix, or it is not clear.
    """
    stated = body.raw
    for value in (
        request.headers.get(_RAW_HEADER, ""),
        request.query_params.get("raw", ""),
    ):
        if value and value.lower() not in _YES | _NO:
            raise ApiError(
                "it is neither true nor false", subject="raw", remedy="say `true`"
            )
        if stated is None and value:
            stated = value.lower() in _YES
    if stated and body.suffix:
        raise ApiError(
            "a raw prompt is sent as it is, and there is a suffix beside it",
            subject="suffix",
            remedy="render the suffix into the prompt, or leave `raw` out",
        )
    return by_key and not body.suffix if stated is None else stated


def _make(
    begun: BegunRequest,
    prompt: str | Tokens,
    suffix: str | None,
    max_tokens: int,
    *,
    is_raw: bool,
) -> TextPrompt:
    """Return the prompt for the engine.

    Raises:
        ApiError: Tokens cannot have a suffix.
        PromptError: The prompt cannot be taken, or does not fit.
    """
    prompts = begun.model.prompts
    if not isinstance(prompt, str):
        if suffix:
            raise ApiError(
                "a prompt of tokens cannot have a suffix",
                subject="suffix",
                remedy="send the prompt as text",
            )
        return prompts.tokens(prompt, is_raw=is_raw, max_tokens=max_tokens)
    if suffix:
        return prompts.fill(
            prompt, suffix, max_tokens=max_tokens, is_reduced=begun.is_reduced
        )
    if is_raw:
        return prompts.raw(prompt, max_tokens=max_tokens)
    return prompts.continue_text(prompt, max_tokens=max_tokens)


def _echo(model: ServedModel, prompt: str | Tokens) -> str:
    if isinstance(prompt, str):
        return prompt
    return model.loaded.tokenizer.decode(prompt)


def chat_router(requests: Requests) -> APIRouter:
    """Return the route."""
    router = APIRouter()

    @router.post("/v1/chat/completions", response_model=None)
    async def chat(request: Request, body: ChatBody) -> Response:
        """Answer a chat, if the model is for chats."""
        begun = await requests.begin(
            request, model=body.model, priority=Priority.EXPLICIT
        )
        template = _template_of(begun.model)
        turns = [
            Turn(role=_ROLES.get(each.role, each.role), content=each.text)
            for each in body.messages
        ]
        encoder = begun.model.prompts.raw_encoder
        newer = body.max_completion_tokens
        asked = newer or body.max_tokens
        prompt = begun.model.prompts.raw(
            template.render(turns, encoder),
            max_tokens=begun.limit_tokens(
                asked if (asked or 0) > 0 else None,
                default=begun.services.config.max_tokens,
                parameter="max_completion_tokens" if newer else "max_tokens",
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
            include_usage=_wants_usage(body.stream_options),
        )
        return await _answer_with(request, answer, generations, streams=body.stream)

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
