"""Prompts are the server's; without suffix they are the document's beginning alone."""

from collections.abc import Callable, Mapping

import pytest

from lsp_server.config import PromptConfig
from lsp_server.prompt.families import FAMILIES
from lsp_server.prompt.fim import Sentinel, Slot
from training.eval.contender import Contender
from training.eval.prompts import TaskPrompts, left_to_right
from training.eval.values import Task

STARTS: Mapping[str, tuple[str, ...]] = {
    "midfill": ("<|endoftext|>",),
    "codellama": ("<s>",),
    "codegemma": ("<bos>",),
    "codestral": ("<s>",),
    "deepseek-coder": ("<\uff5cbegin\u2581of\u2581sentence\uff5c>",),
    "deepseek-coder-v2": ("<\uff5cbegin\u2581of\u2581sentence\uff5c>",),
}


@pytest.fixture
def prompts(contender: Contender) -> TaskPrompts:
    """Give the builder for the shipped model."""
    return TaskPrompts(
        tokenizer=contender.tokenizer,
        family=contender.family,
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
    prompts: TaskPrompts, contender: Contender, make_task: Callable[..., Task]
) -> None:
    """The suffix is read, and the typed text comes last in this family."""
    task = make_task()
    ids = prompts.with_suffix(task).token_ids
    encode = contender.tokenizer.encode
    assert contender.tokenizer.decode(ids) == task.suffix + task.prefix
    assert encode(task.prefix) == ids[-len(encode(task.prefix)) :]


def test_no_suffix(
    prompts: TaskPrompts, contender: Contender, make_task: Callable[..., Task]
) -> None:
    """Nothing of the suffix, and no sentinel but the document's start, is read."""
    task = make_task()
    start = contender.tokenizer.token_id("<|endoftext|>")
    prompt = prompts.no_suffix(task)
    assert (start, *contender.tokenizer.encode(task.prefix)) == prompt.token_ids
    assert 0 == prompt.suffix_tokens
