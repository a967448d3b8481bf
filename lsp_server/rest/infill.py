"""``/infill`` as llama.cpp has it, for llama.vim and llama.vscode.

Sources: the server's README in ggml-org/llama.cpp for requests and answers, and what
llama.vim and llama.vscode send and read.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from lsp_server.errors import MidfillError
from lsp_server.outcomes import Stage
from lsp_server.rest.api_errors import problem_of
from lsp_server.rest.bodies import InfillBody
from lsp_server.rest.generation import Generations, Sampling
from lsp_server.rest.requests import Requests
from lsp_server.rest.streaming import EventStream, event, first_of, while_connected
from lsp_server.service.text_completion import StopCause, TextDelta
from lsp_server.values import Priority, Snippet

__all__ = ["infill_router"]

_DEFAULT_TOKENS = 128
"""llama.cpp goes on until the model ends; a completion is hardly ever longer."""

_STOP_TYPES: Mapping[StopCause, str] = {
    StopCause.MODEL: "eos",
    StopCause.STOP_STRING: "word",
    StopCause.LENGTH: "limit",
    StopCause.TIME: "limit",
    StopCause.INDENT: "limit",
    StopCause.PRIVACY: "limit",
}
_ENDED = TextDelta(text="", cause=StopCause.LENGTH)

Json = dict[str, object]


def infill_router(requests: Requests) -> APIRouter:
    """Return the route."""
    router = APIRouter()

    @router.post("/infill", response_model=None)
    async def infill(request: Request, body: InfillBody) -> Response:
        """Fill the gap between `input_prefix` with `prompt`, and `input_suffix`."""
        is_warm_up = body.n_predict == 0
        begun = await requests.begin(
            request,
            model=body.model,
            priority=Priority.PREWARM if is_warm_up else Priority.AUTOMATIC,
        )
        snippets = await begun.model.privacy.cleaned(
            _snippets(body, most_chars=begun.model.prompts.max_snippet_chars)
        )
        asked = body.n_predict if (body.n_predict or 0) > 0 else None
        prompt = begun.model.prompts.fill(
            body.input_prefix + body.prompt,
            body.input_suffix,
            max_tokens=begun.limit_tokens(
                asked, default=_DEFAULT_TOKENS, parameter="n_predict"
            ),
            snippets=snippets,
            is_reduced=begun.is_reduced,
        )
        if is_warm_up:
            # Cut as for the request that it prepares; no engine generates less.
            prompt = replace(prompt, max_tokens=1)
        generations = begun.generations(
            [prompt],
            Sampling(
                temperature=begun.temperature(body.temperature),
                top_p=body.top_p or 1.0,
                seed=body.seed if (body.seed or 0) >= 0 else None,
                stops=tuple(body.stop or ()),
                min_indent=body.n_indent or 0,
                max_predict_ms=max(0, body.t_max_predict_ms or 0),
                priority=begun.priority,
            ),
        )
        answer = _Infill(generations, body, is_warm_up=is_warm_up)
        if body.stream:
            events = answer.parts()
            first = await while_connected(request.receive, first_of(events))
            return EventStream(first, events, headers={})
        return JSONResponse(await while_connected(request.receive, answer.whole()))

    return router


class _Infill:
    """The answer to one request.

    Args:
        generations: The one text.
        body: The request.
        is_warm_up: Whether the client wants the prompt to be read, and no text.
    """

    def __init__(
        self, generations: Generations, body: InfillBody, *, is_warm_up: bool
    ) -> None:
        self._generations = generations
        self._fields = body.response_fields
        self._is_warm_up = is_warm_up

    async def whole(self) -> Json:
        """Generate all, and return the answer.

        Raises:
            MidfillError: The generation failed, or was refused.
        """
        content, last = "", _ENDED
        async with aclosing(self._deltas()) as deltas:
            async for last in deltas:
                content += last.text
        return _selected(self._answer(content, last), self._fields)

    async def parts(self) -> AsyncGenerator[bytes]:
        """Generate, and yield the events of a stream; the last one has all figures.

        What fails before the first event is raised; later, it is an event.

        Raises:
            MidfillError: The generation failed, or was refused.
        """
        has_begun, has_line_end = False, False
        try:
            async with aclosing(self._deltas()) as deltas:
                async for delta in deltas:
                    has_line_end |= "\n" in delta.text
                    if delta.cause is None and delta.text:
                        has_begun = True
                        yield event({**self._counts(), "content": delta.text})
                    elif delta.cause is not None:
                        answer = self._answer(delta.text, delta)
                        answer["has_new_line"] = has_line_end
                        yield event(_selected(answer, self._fields))
        except MidfillError as error:
            if not has_begun:
                raise
            yield event(problem_of(error).body)

    async def _deltas(self) -> AsyncGenerator[TextDelta]:
        """Generate; of what only warms the cache up, the client gets the end alone."""
        async with aclosing(self._generations.run()) as deltas:
            async for _, delta in deltas:
                if not self._is_warm_up:
                    yield delta
        if self._is_warm_up:
            yield _ENDED

    @property
    def _predicted_tokens(self) -> int:
        """Tokens that were generated for the client until now."""
        return 0 if self._is_warm_up else self._generations.new_tokens

    def _counts(self) -> Json:
        return {
            "index": 0,
            "id_slot": 0,
            "stop": False,
            "tokens": [],
            "tokens_predicted": self._predicted_tokens,
            "tokens_evaluated": self._generations.prompt_tokens,
        }

    def _answer(self, content: str, last: TextDelta) -> Json:
        """Return the last event of a stream, or the whole answer."""
        prompt = self._generations.prompts[0]
        return {
            **self._counts(),
            "content": content,
            "stop": True,
            "model": self._generations.model.name,
            "tokens_cached": self._generations.prompt_tokens + self._predicted_tokens,
            "generation_settings": {
                "n_predict": 0 if self._is_warm_up else prompt.max_tokens,
                "temperature": self._generations.sampling.temperature,
                "top_p": self._generations.sampling.top_p,
                "n_ctx": self._generations.model.max_model_len,
            },
            "has_new_line": "\n" in content,
            "truncated": prompt.is_cut,
            "stop_type": _STOP_TYPES[last.cause or StopCause.LENGTH],
            "stopping_word": last.stop_string,
            "timings": self._timings(),
        }

    def _timings(self) -> Json:
        """Return what it took, in llama.cpp's words; times in milliseconds."""
        timings = self._generations.trace.timings()
        stages = timings.stages_ms
        prompt_ms = stages.get(Stage.PREFILL, 0.0)
        predicted_n = self._predicted_tokens
        first_ms = timings.ttft_ms or 0.0
        predicted_ms = max(0.0, timings.total_ms - first_ms) if predicted_n else 0.0
        cached = self._generations.cached_tokens
        prompt_n = max(0, self._generations.prompt_tokens - cached)
        return {
            "cache_n": cached,
            "prompt_n": prompt_n,
            "prompt_ms": prompt_ms,
            "prompt_per_token_ms": _ratio(prompt_ms, prompt_n),
            "prompt_per_second": _ratio(prompt_n * 1e3, prompt_ms),
            "predicted_n": predicted_n,
            "predicted_ms": predicted_ms,
            "predicted_per_token_ms": _ratio(predicted_ms, predicted_n),
            "predicted_per_second": _ratio(predicted_n * 1e3, predicted_ms),
        }


def _snippets(body: InfillBody, *, most_chars: int) -> Sequence[Snippet]:
    """Return the pieces of other files that there may be room for.

    Clients send the most relevant ones last.

    Args:
        body: The request.
        most_chars: How many characters there may be in all.
    """
    snippets: list[Snippet] = []
    for number, each in reversed([*enumerate(body.input_extra or ())]):
        if each.text and len(each.text) <= most_chars:
            most_chars -= len(each.text)
            path = each.filename or "unknown"
            snippets.append(Snippet(path=path, text=each.text, score=float(number)))
    return snippets[::-1]


def _selected(answer: Json, fields: Sequence[str] | None) -> Json:
    """Return the fields that the client asks for, such as ``timings/prompt_n``."""
    if not fields:
        return answer
    selected: Json = {}
    for path in fields:
        found: object = answer
        for name in path.split("/"):
            found = found.get(name) if isinstance(found, dict) else None
        if found is not None:
            selected[path] = found
    return selected


def _ratio(above: float, below: float) -> float:
    return above / below if below else 0.0
