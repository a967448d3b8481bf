"""Questions are answered side by side, each in its place, and no longer than needed."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.errors import EngineDeadError
from lsp_server.values import FinishReason, GenerationRequest, Prompt, TokenDelta
from training.eval.contender import Contender
from training.eval.generation import Question, answer_all

END = 0


def question(
    number: int = 0,
    is_passed: Callable[[str], bool] = lambda _text: False,
    max_tokens: int = 20,
) -> Question:
    """A question with a prompt of its own."""
    prompt = Prompt(
        token_ids=(number,), stop_token_ids=(END,), prefix_tokens=1, suffix_tokens=0
    )
    return Question(prompt=prompt, max_tokens=max_tokens, is_passed=is_passed)


class EchoEngine(ScriptedEngine):
    """Answers with the prompt, the later asked the sooner, and counts."""

    def __init__(self) -> None:
        super().__init__(Script(answer_ids=()))
        self.now = self.most = 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TokenDelta]:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(20 - request.token_ids[0] % 16):
            await asyncio.sleep(0)
        self.now -= 1
        yield TokenDelta(token_ids=request.token_ids, finish_reason=FinishReason.LENGTH)


async def test_answers_keep_their_places(contender: Contender) -> None:
    """Answers come in the order of the questions, whichever is ready first."""
    engine, steps = EchoEngine(), []
    numbers = [*range(100, 140)]
    answers = await answer_all(
        engine,
        contender.tokenizer,
        [question(number) for number in numbers],
        answered=lambda: steps.append(1),
    )
    decode = contender.tokenizer.decode
    assert [decode([number]) for number in numbers] == [each.text for each in answers]
    assert len(numbers) == len(steps)
    assert 16 == engine.most


async def test_end_by_the_model(contender: Contender) -> None:
    """An end token within the limit is the model's own end."""
    ids = contender.tokenizer.encode("x = 1")
    engine = ScriptedEngine(Script(answer_ids=(*ids, END, *ids)))
    [answer] = await answer_all(
        engine, contender.tokenizer, [question()], answered=lambda: None
    )
    assert ("x = 1", True, len(ids)) == (
        answer.text,
        answer.has_ended,
        answer.output_tokens,
    )


async def test_end_by_the_limit(contender: Contender) -> None:
    """The limit is not the model's own end."""
    ids = contender.tokenizer.encode("x = 1")
    engine = ScriptedEngine(Script(answer_ids=ids * 9))
    [answer] = await answer_all(
        engine, contender.tokenizer, [question(max_tokens=4)], answered=lambda: None
    )
    assert not answer.has_ended
    assert 4 == answer.output_tokens


async def test_watching_ends_when_passed(contender: Contender) -> None:
    """One token beyond a complete answer tells enough: the request is aborted."""
    line = contender.tokenizer.encode("x = 1\n")
    more = contender.tokenizer.encode("y = 2\nz = 3\n")
    engine = ScriptedEngine(Script(answer_ids=(*line, *more)))
    [answer] = await answer_all(
        engine,
        contender.tokenizer,
        [question(is_passed=lambda text: "\n" in text)],
        answered=lambda: None,
    )
    assert not answer.has_ended
    assert len(line) + 1 == answer.output_tokens
    assert ("eval-0",) == engine.aborted


async def test_end_right_behind_a_complete_answer(contender: Contender) -> None:
    """A model that ends right there has ended by itself."""
    line = contender.tokenizer.encode("x = 1\n")
    engine = ScriptedEngine(Script(answer_ids=(*line, END, *line)))
    [answer] = await answer_all(
        engine,
        contender.tokenizer,
        [question(is_passed=lambda text: "\n" in text)],
        answered=lambda: None,
    )
    assert ("x = 1\n", True) == (answer.text, answer.has_ended)


async def test_dead_engine_is_told_once(contender: Contender) -> None:
    """Sixteen failures of one cause are one error, and no group of errors."""
    ids = contender.tokenizer.encode("x = 1")
    engine = ScriptedEngine(Script(answer_ids=ids, die_after_requests=3))
    with pytest.raises(EngineDeadError):
        await answer_all(
            engine,
            contender.tokenizer,
            [question(number) for number in range(40)],
            answered=lambda: None,
        )


async def test_a_fault_of_ours_stays_loud(contender: Contender) -> None:
    """What is no error of Midfill's is not made into one."""
    engine = ScriptedEngine(Script(answer_ids=contender.tokenizer.encode("x")))

    def broken(_text: str) -> bool:
        raise KeyError("a defect")

    with pytest.raises(ExceptionGroup):
        await answer_all(
            engine,
            contender.tokenizer,
            [question(is_passed=broken)],
            answered=lambda: None,
        )
