"""Lets an engine answer many prompts, several at a time."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from lsp_server.engine.base import Engine
from lsp_server.prompt.stream_decoder import StreamDecoder
from lsp_server.prompt.tokenizer import Tokenizer
from lsp_server.values import FinishReason, GenerationRequest, Prompt
from training.eval.side_by_side import side_by_side
from training.eval.values import Answer

__all__ = ["Question", "answer_all"]

_AT_ONCE = 16
"""As many requests as the engine decodes side by side by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One prompt, and how far its answer is of interest.

    Attributes:
        prompt: What the engine reads.
        max_tokens: The most tokens of the answer.
        is_passed: Tells of the text so far whether the answer is complete. The model
            may then still end it by itself, but not write more.
    """

    prompt: Prompt
    max_tokens: int
    is_passed: Callable[[str], bool]


async def answer_all(
    engine: Engine,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    *,
    answered: Callable[[], None],
) -> list[Answer]:
    """Answer every question greedily, and give the answers in the questions' order.

    Args:
        engine: Generates.
        tokenizer: The model's tokenizer.
        questions: What to ask; those with a common start are best side by side.
        answered: Called after each answer.

    Raises:
        EngineError: The engine failed.
    """

    async def answer(number: int, question: Question) -> Answer:
        given = await _answer(engine, tokenizer, question, f"eval-{number}")
        answered()
        return given

    return await side_by_side(questions, answer, at_once=_AT_ONCE)


async def _answer(
    engine: Engine, tokenizer: Tokenizer, question: Question, request_id: str
) -> Answer:
    """Generate until the model ends, or is seen to go on beyond what was asked."""
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
    written = ""
    output_tokens = 0
    reason: FinishReason | None = None
    async with aclosing(engine.generate(request)) as deltas:
        async for delta in deltas:
            was_passed = question.is_passed(written.removeprefix(held))
            written += decoder.feed(delta.token_ids)
            output_tokens += len(delta.token_ids)
            reason = delta.finish_reason
            if reason is not None or (was_passed and delta.token_ids):
                break
    return Answer(
        text=(written + decoder.finish()).removeprefix(held),
        has_ended=reason is FinishReason.STOP,
        output_tokens=output_tokens,
    )
