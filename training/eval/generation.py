"""Builds the tasks' prompts, and lets an engine answer many of them concurrently."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeVar

from lsp_server.config import PromptConfig
from lsp_server.context.window import LineWindows
from lsp_server.engine.base import Engine
from lsp_server.errors import MidfillError
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.prompt.fim import FimFamily, Part, Sentinel, Slot
from lsp_server.prompt.tokenizer import StreamDecoder, Tokenizer
from lsp_server.values import FinishReason, GenerationRequest, Prompt
from training.eval.values import Answer, Task

__all__ = ["Question", "TaskPrompts", "answer_all", "left_to_right", "map_concurrently"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_CONCURRENT_REQUESTS = 16
"""As many requests as the engine decodes concurrently by default."""

_DOCUMENT_STARTS = frozenset(
    {"<|endoftext|>", "<s>", "<bos>", "<\uff5cbegin\u2581of\u2581sentence\uff5c>"}
)
"""Tokens that start a document, before anything specific to fill-in-the-middle."""


def left_to_right(family: FimFamily) -> FimFamily:
    """Return the format in which the same model continues after the prefix.

    It keeps the family's token that starts a document, if any, and nothing that
    announces a middle or a suffix.
    """
    start: list[Part] = []
    for part in family.order:
        if not isinstance(part, Sentinel) or part.token not in _DOCUMENT_STARTS:
            break
        start.append(part)
    return replace(
        family,
        order=(*start, Slot.PREFIX),
        snippets_head=(),
        snippet=(),
        snippets_tail=(),
    )


class TaskPrompts:
    """Builds one model's prompts, with the server's prompt builder.

    Args:
        tokenizer: The model's tokenizer.
        family: The model's family.
        config: How much of a document may be read, as in the server.
        max_model_len: Maximum tokens of prompt and output together.

    Raises:
        UnsupportedModelError: Family and tokenizer do not fit.
    """

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        family: FimFamily,
        config: PromptConfig,
        max_model_len: int,
    ) -> None:
        windows = LineWindows(
            encode=tokenizer.encode,
            step_lines=config.step_lines,
            suffix_lines=config.suffix_lines,
        )

        def builder(form: FimFamily) -> PromptBuilder:
            return PromptBuilder(
                tokenizer=tokenizer,
                family=form,
                config=config,
                max_model_len=max_model_len,
                windows=windows,
            )

        self._with_suffix = builder(family)
        self._no_suffix = builder(left_to_right(family))

    def with_suffix(self, task: Task) -> Prompt:
        """Return the server's prompt.

        Raises:
            ConfigError: The limits leave no room for code.
        """
        return self._with_suffix.build(task.snapshot, max_output_tokens=task.max_tokens)

    def no_suffix(self, task: Task) -> Prompt:
        """Return the prompt from which the model continues after the prefix.

        Raises:
            ConfigError: The limits leave no room for code.
        """
        only_prefix = replace(task.snapshot, text=task.prefix)
        return self._no_suffix.build(only_prefix, max_output_tokens=task.max_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt, and how much of its answer is needed.

    Attributes:
        prompt: What the engine reads.
        max_tokens: Maximum tokens of the answer.
        is_complete: Returns whether the text so far contains the whole answer. The
            model may then still end its output, but not continue it.
    """

    prompt: Prompt
    max_tokens: int
    is_complete: Callable[[str], bool]


async def answer_all(
    engine: Engine,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    *,
    on_answer: Callable[[], None],
) -> list[Answer]:
    """Answer every question greedily, and return the answers in the questions' order.

    Args:
        engine: The engine.
        tokenizer: The model's tokenizer.
        questions: The questions; those with a common start are best adjacent.
        on_answer: Called after each answer.

    Raises:
        EngineError: The engine failed.
    """

    async def answer(number: int, question: Question) -> Answer:
        answered = await _answer(engine, tokenizer, question, f"eval-{number}")
        on_answer()
        return answered

    return await map_concurrently(questions, answer, limit=_CONCURRENT_REQUESTS)


async def map_concurrently(
    items: Sequence[Item],
    work: Callable[[int, Item], Awaitable[Result]],
    *,
    limit: int,
) -> list[Result]:
    """Call ``work`` with each item and its index, at most ``limit`` calls at a time.

    The first failure cancels the rest.

    Returns:
        The results in the items' order.

    Raises:
        MidfillError: The first such failure, if several calls failed of one cause.
    """
    results: dict[int, Result] = {}

    async def run_next(remaining: Iterator[tuple[int, Item]]) -> None:
        for number, item in remaining:
            results[number] = await work(number, item)

    try:
        async with asyncio.TaskGroup() as group:
            remaining = iter(enumerate(items))
            for _ in range(limit):
                group.create_task(run_next(remaining))
    except BaseExceptionGroup as failures:
        own = failures.subgroup(MidfillError)
        if own is None:
            raise
        raise _first(own) from failures
    return [results[number] for number in range(len(items))]


async def _answer(
    engine: Engine, tokenizer: Tokenizer, question: Question, request_id: str
) -> Answer:
    """Generate until the model ends, or continues after the whole answer."""
    decoder = StreamDecoder(tokenizer)
    hold = question.prompt.hold
    request = GenerationRequest(
        request_id=request_id,
        token_ids=question.prompt.token_ids,
        max_tokens=question.max_tokens + (len(hold.typed_ids) if hold else 0),
        stop_token_ids=question.prompt.stop_token_ids,
        hold=hold,
    )
    held = hold.text if hold else ""
    generated = ""
    output_tokens = 0
    reason: FinishReason | None = None
    async with aclosing(engine.generate(request)) as deltas:
        async for delta in deltas:
            was_complete = question.is_complete(generated.removeprefix(held))
            generated += decoder.feed(delta.token_ids)
            output_tokens += len(delta.token_ids)
            reason = delta.finish_reason
            if reason is not None or (was_complete and delta.token_ids):
                break
    return Answer(
        text=(generated + decoder.finish()).removeprefix(held),
        has_ended=reason is FinishReason.STOP,
        output_tokens=output_tokens,
    )


def _first(failures: BaseExceptionGroup[MidfillError]) -> BaseException:
    """Return the first error of a group that is itself no group."""
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
