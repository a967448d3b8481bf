"""Prompts are the server's, and answers come in order and no longer than needed."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_models import OwnModel

from lsp_server.config import PromptConfig
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.errors import EngineDeadError, EvaluationError
from lsp_server.prompt.families import FAMILIES, find_family
from lsp_server.prompt.fim import Sentinel, Slot
from lsp_server.values import FinishReason, GenerationRequest, Prompt, TokenDelta
from training.eval.generation import (
    Question,
    TaskPrompts,
    answer_all,
    left_to_right,
    map_concurrently,
)
from training.eval.model import EvaluatedModel
from training.eval.values import Task

END = 0


def question(
    number: int = 0,
    is_complete: Callable[[str], bool] = lambda _text: False,
    max_tokens: int = 20,
) -> Question:
    """A question with a prompt of its own."""
    prompt = Prompt(token_ids=(number,), stop_token_ids=(END,))
    return Question(prompt=prompt, max_tokens=max_tokens, is_complete=is_complete)


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


async def test_answers_keep_their_places(model: EvaluatedModel) -> None:
    """Answers come in the order of the questions, whichever is ready first."""
    engine, steps = EchoEngine(), []
    numbers = [*range(100, 140)]
    answers = await answer_all(
        engine,
        model.tokenizer,
        [question(number) for number in numbers],
        on_answer=lambda: steps.append(1),
    )
    decode = model.tokenizer.decode
    assert [decode([number]) for number in numbers] == [each.text for each in answers]
    assert len(numbers) == len(steps)
    assert 16 == engine.most


async def test_end_by_the_model(model: EvaluatedModel) -> None:
    """An end token within the limit is the model's own end."""
    ids = model.tokenizer.encode("x = 1")
    engine = ScriptedEngine(Script(answer_ids=(*ids, END, *ids)))
    [answer] = await answer_all(
        engine, model.tokenizer, [question()], on_answer=lambda: None
    )
    assert ("x = 1", True, len(ids)) == (
        answer.text,
        answer.has_ended,
        answer.output_tokens,
    )


async def test_end_by_the_limit(model: EvaluatedModel) -> None:
    """The limit is not the model's own end."""
    ids = model.tokenizer.encode("x = 1")
    engine = ScriptedEngine(Script(answer_ids=ids * 9))
    [answer] = await answer_all(
        engine, model.tokenizer, [question(max_tokens=4)], on_answer=lambda: None
    )
    assert not answer.has_ended
    assert 4 == answer.output_tokens


async def test_watching_ends_when_passed(model: EvaluatedModel) -> None:
    """One token beyond a complete answer tells enough: the request is aborted."""
    line = model.tokenizer.encode("x = 1\n")
    more = model.tokenizer.encode("y = 2\nz = 3\n")
    engine = ScriptedEngine(Script(answer_ids=(*line, *more)))
    [answer] = await answer_all(
        engine,
        model.tokenizer,
        [question(is_complete=lambda text: "\n" in text)],
        on_answer=lambda: None,
    )
    assert not answer.has_ended
    assert len(line) + 1 == answer.output_tokens
    assert ("eval-0",) == engine.aborted


async def test_end_right_behind_a_complete_answer(model: EvaluatedModel) -> None:
    """A model that ends right there has ended by itself."""
    line = model.tokenizer.encode("x = 1\n")
    engine = ScriptedEngine(Script(answer_ids=(*line, END, *line)))
    [answer] = await answer_all(
        engine,
        model.tokenizer,
        [question(is_complete=lambda text: "\n" in text)],
        on_answer=lambda: None,
    )
    assert ("x = 1\n", True) == (answer.text, answer.has_ended)


async def test_dead_engine_is_reported_once(model: EvaluatedModel) -> None:
    """Sixteen failures of one cause are one error, and no group of errors."""
    ids = model.tokenizer.encode("x = 1")
    engine = ScriptedEngine(Script(answer_ids=ids, die_after_requests=3))
    with pytest.raises(EngineDeadError):
        await answer_all(
            engine,
            model.tokenizer,
            [question(number) for number in range(40)],
            on_answer=lambda: None,
        )


async def test_a_fault_of_ours_stays_loud(model: EvaluatedModel) -> None:
    """What is no error of Midfill's is not made into one."""
    engine = ScriptedEngine(Script(answer_ids=model.tokenizer.encode("x")))

    def broken(_text: str) -> bool:
        raise KeyError("a defect")

    with pytest.raises(ExceptionGroup):
        await answer_all(
            engine,
            model.tokenizer,
            [question(is_complete=broken)],
            on_answer=lambda: None,
        )


@settings(max_examples=25)
@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 4))
def test_order_and_number(turns: list[int], limit: int) -> None:
    """Results keep the items' order; never more than so many are under way."""
    under_way = set[int]()
    most = 0

    async def work(number: int, turn: int) -> tuple[int, int]:
        nonlocal most
        under_way.add(number)
        most = max(most, len(under_way))
        for _ in range(turn):
            await asyncio.sleep(0)
        under_way.discard(number)
        return number, turn

    found = asyncio.run(map_concurrently(turns, work, limit=limit))
    assert list(enumerate(turns)) == found
    assert most <= limit


async def test_failure_ends_the_rest() -> None:
    """Several failures of Midfill's own are one error; what waits is not begun."""
    begun = []

    async def work(number: int, _item: str) -> None:
        begun.append(number)
        await asyncio.sleep(0)
        raise EvaluationError("no", subject=str(number), remedy="none")

    with pytest.raises(EvaluationError) as caught:
        await map_concurrently(["x"] * 9, work, limit=2)
    assert "0" == caught.value.subject
    assert [0, 1] == begun


async def test_defect_stays_a_group() -> None:
    """What is no error of Midfill's is not made into one."""

    async def work(_number: int, _item: str) -> None:
        raise KeyError("a defect")

    with pytest.raises(ExceptionGroup):
        await map_concurrently(["x"], work, limit=2)


STARTS: Mapping[str, tuple[str, ...]] = {
    "midfill": ("<|endoftext|>",),
    "midfill-marked-cursor": ("<|endoftext|>",),
    "codellama": ("<s>",),
    "codegemma": ("<bos>",),
    "codestral": ("<s>",),
    "deepseek-coder": ("<\uff5cbegin\u2581of\u2581sentence\uff5c>",),
    "deepseek-coder-v2": ("<\uff5cbegin\u2581of\u2581sentence\uff5c>",),
}


@pytest.fixture
def prompts(model: EvaluatedModel) -> TaskPrompts:
    """Return the builder for the shipped model."""
    return TaskPrompts(
        tokenizer=model.tokenizer,
        family=model.family,
        config=PromptConfig(),
        max_model_len=2048,
    )


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_left_to_right_knows_no_middle(name: str) -> None:
    """Whatever the family, at most a document's start stands before the prefix."""
    form = left_to_right(FAMILIES[name])
    starts = tuple(Sentinel(token) for token in STARTS.get(name, ()))
    assert (*starts, Slot.PREFIX) == form.order
    assert FAMILIES[name].stop_tokens == form.stop_tokens


def test_with_suffix(
    own_model: OwnModel, model: EvaluatedModel, make_task: Callable[..., Task]
) -> None:
    """Suffix and typed text are where the family has them, each as by itself."""
    prompts = TaskPrompts(
        tokenizer=model.tokenizer,
        family=find_family(own_model.family),
        config=PromptConfig(),
        max_model_len=2048,
    )
    task = make_task()
    ids = prompts.with_suffix(task).token_ids
    assert own_model.fill(task.prefix, task.suffix) == model.tokenizer.spell(ids)
    prefix = model.tokenizer.encode(task.prefix)
    windows = zip(*(ids[at:] for at in range(len(prefix))), strict=False)
    assert prefix in windows


def test_no_suffix(
    prompts: TaskPrompts, model: EvaluatedModel, make_task: Callable[..., Task]
) -> None:
    """Nothing of the suffix, and no sentinel but the document's start, is read."""
    task = make_task()
    start = model.tokenizer.token_id("<|endoftext|>")
    prompt = prompts.no_suffix(task)
    assert (start, *model.tokenizer.encode(task.prefix)) == prompt.token_ids
