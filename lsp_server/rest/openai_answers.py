"""OpenAI's answers: whole, and as streams, for completions and for chats."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from lsp_server.errors import MidfillError
from lsp_server.rest.api_errors import problem_of
from lsp_server.rest.generation import Generations, finish_reason
from lsp_server.rest.streaming import event
from lsp_server.service.text_completion import StopCause, TextDelta

__all__ = ["Answer", "chat_answer", "completion_answer"]

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How one route's answers differ from the other's.

    Attributes:
        prefix: What ids begin with.
        whole: The name of a whole answer.
        part: The name of a part of a stream.
        is_chat: Whether texts are messages.
    """

    prefix: str
    whole: str
    part: str
    is_chat: bool


_COMPLETION = _Form(
    prefix="cmpl-", whole="text_completion", part="text_completion", is_chat=False
)
_CHAT = _Form(
    prefix="chatcmpl-",
    whole="chat.completion",
    part="chat.completion.chunk",
    is_chat=True,
)


class Answer:
    """The answer to one request.

    Args:
        form: The route's form.
        generations: The texts.
        echoes: What each choice's text begins with.
        include_usage: Whether a stream ends with what it took.
    """

    def __init__(
        self,
        form: _Form,
        generations: Generations,
        *,
        echoes: tuple[str, ...],
        include_usage: bool,
    ) -> None:
        """Keep the parts."""
        self._form = form
        self._generations = generations
        self._echoes = echoes
        self._include_usage = include_usage
        self._created = int(time.time())

    async def whole(self) -> Json:
        """Generate all, and return the answer.

        Raises:
            MidfillError: The generation failed, or was refused.
        """
        texts = list(self._echoes)
        causes: list[StopCause | None] = [None] * len(texts)
        async with aclosing(self._generations.run()) as deltas:
            async for number, delta in deltas:
                texts[number] += delta.text
                causes[number] = delta.cause
        pairs = enumerate(zip(texts, causes, strict=True))
        choices = [self._choice(n, text, cause) for n, (text, cause) in pairs]
        return {
            **self._head(self._form.whole),
            "choices": choices,
            "usage": self._usage(),
        }

    async def parts(self) -> AsyncGenerator[bytes]:
        """Generate, and yield the events of a stream.

        What fails before the first event is raised; later, it is an event.

        Raises:
            MidfillError: The generation failed, or was refused.
        """
        has_begun = False
        try:
            async with aclosing(self._generations.run()) as deltas:
                async for number, delta in deltas:
                    if not has_begun:
                        for each in self._opening():
                            yield event(each)
                    has_begun = True
                    if delta.text or delta.cause is not None:
                        yield event(self._part(self._delta(number, delta)))
        except MidfillError as error:
            if not has_begun:
                raise
            yield event(problem_of(error).body)
        else:
            if self._include_usage:
                yield event({**self._part(None), "usage": self._usage()})
        yield event("[DONE]")

    def _opening(self) -> list[Json]:
        """Return the events before the first text: roles, or echoed prompts."""
        if self._form.is_chat:
            return [
                self._part(
                    {
                        "index": number,
                        "delta": {"role": "assistant", "content": ""},
                        "logprobs": None,
                        "finish_reason": None,
                    }
                )
                for number in range(len(self._echoes))
            ]
        return [
            self._part(self._delta(number, TextDelta(text=echo)))
            for number, echo in enumerate(self._echoes)
            if echo
        ]

    def _part(self, choice: Json | None) -> Json:
        part = {
            **self._head(self._form.part),
            "choices": [] if choice is None else [choice],
        }
        if self._include_usage:
            part["usage"] = None
        return part

    def _head(self, name: str) -> dict[str, object]:
        return {
            "id": self._form.prefix + self._generations.exchange.request_id,
            "object": name,
            "created": self._created,
            "model": self._generations.model.name,
        }

    def _choice(self, number: int, text: str, cause: StopCause | None) -> Json:
        content: Json = {"text": text}
        if self._form.is_chat:
            message = {"role": "assistant", "content": text, "refusal": None}
            content = {"message": message}
        return {
            "index": number,
            **content,
            "logprobs": None,
            "finish_reason": finish_reason(cause),
        }

    def _delta(self, number: int, delta: TextDelta) -> Json:
        content: Json = {"text": delta.text}
        if self._form.is_chat:
            content = {"delta": {"content": delta.text} if delta.text else {}}
        return {
            "index": number,
            **content,
            "logprobs": None,
            "finish_reason": finish_reason(delta.cause),
        }

    def _usage(self) -> Json:
        prompt_tokens = self._generations.prompt_tokens
        new_tokens = self._generations.new_tokens
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": new_tokens,
            "total_tokens": prompt_tokens + new_tokens,
            "prompt_tokens_details": {"cached_tokens": self._generations.cached_tokens},
        }


def completion_answer(
    generations: Generations, *, echoes: tuple[str, ...], include_usage: bool
) -> Answer:
    """Return the answer of ``/v1/completions``.

    Args:
        generations: The texts.
        echoes: What each choice's text begins with; empty texts for nothing.
        include_usage: Whether a stream ends with what it took.
    """
    return Answer(_COMPLETION, generations, echoes=echoes, include_usage=include_usage)


def chat_answer(generations: Generations, *, count: int, include_usage: bool) -> Answer:
    """Return the answer of ``/v1/chat/completions``.

    Args:
        generations: The texts.
        count: How many choices there are.
        include_usage: Whether a stream ends with what it took.
    """
    echoes = ("",) * count
    return Answer(_CHAT, generations, echoes=echoes, include_usage=include_usage)
