"""The source that asks llama.cpp does what llama.vim does."""

import json
from collections.abc import AsyncGenerator

import httpx
import pytest

from benchmarks.typing_llama import LlamaSource
from lsp_server.config import SHIPPED_MODEL, Device
from lsp_server.service.loaded_model import LoadedModel, load_model

TEXT = "def f():\n    value = \n    return value\n"
CURSOR = TEXT.index("\n    return")
ANSWER = "compute(1)"


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """The shipped model, without its engine."""
    return load_model(SHIPPED_MODEL, Device.CPU)


class Server:
    """Answers every question alike, and keeps them."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.prompts: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.prompts.append(self.model.tokenizer.spell(body["prompt"]))
        times = {"cache_n": 5, "predicted_n": 3}
        tokens = self.model.tokenizer.encode(ANSWER)
        return httpx.Response(200, json={"tokens": tokens, "timings": times})


@pytest.fixture
async def asked(model: LoadedModel) -> AsyncGenerator[tuple[LlamaSource, Server]]:
    """A source with an open document, and its server."""
    server = Server(model)
    transport = httpx.MockTransport(server)
    async with httpx.AsyncClient(transport=transport, base_url="http://llama") as http:
        source = LlamaSource(http, model)
        source.open("file:///f.py", "python", TEXT)
        yield source, server


async def test_it_asks_with_the_models_format_and_for_what_follows(
    asked: tuple[LlamaSource, Server],
) -> None:
    """First for the ghost, then for what comes behind it."""
    source, server = asked
    ghost = await source.ask("file:///f.py", CURSOR)
    assert ghost.text == ANSWER
    await source.ask("file:///f.py", CURSOR)
    ours, ahead = server.prompts
    assert ours.endswith("<|fim_middle|>def f():\n    value = ")
    assert "<|fim_suffix|>\n    return value" in ours
    assert ahead.endswith(f"value = {ANSWER}")
    assert [each.is_ahead for each in await source.spent()] == [False, True]


async def test_what_is_typed_of_an_answer_costs_no_question(
    asked: tuple[LlamaSource, Server],
) -> None:
    """The answer's rest is shown until something else is typed."""
    source, server = asked
    await source.ask("file:///f.py", CURSOR)
    source.edit("file:///f.py", CURSOR, CURSOR, "com")
    assert (await source.ask("file:///f.py", CURSOR + 3)).text == ANSWER[3:]
    assert not any(each.endswith("value = com") for each in server.prompts)
    source.edit("file:///f.py", CURSOR + 3, CURSOR + 3, "x")
    await source.ask("file:///f.py", CURSOR + 4)
    assert any(each.endswith("value = comx") for each in server.prompts)


async def test_nothing_is_asked_in_front_of_more_than_eight_characters(
    asked: tuple[LlamaSource, Server],
) -> None:
    """As by itself in llama.vim."""
    source, server = asked
    ghost = await source.ask("file:///f.py", TEXT.index("return"))
    assert (ghost.text, server.prompts) == ("", [])
