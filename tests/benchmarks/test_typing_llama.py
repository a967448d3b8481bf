"""The source that asks llama.cpp does what llama.vim does."""

import json
from collections.abc import AsyncGenerator

import httpx
import pytest
from own_models import OwnModel

from benchmarks.typing_llama import LlamaSource
from lsp_server.config import Device
from lsp_server.service.loaded_model import LoadedModel, load_model

TEXT = "def f():\n    value = \n    return value\n"
CURSOR = TEXT.index("\n    return")
REST = "\n    return value\n"
ANSWER = "compute(1)"


@pytest.fixture(scope="module")
def model(own_model: OwnModel) -> LoadedModel:
    """A model of each own family, without its engine."""
    return load_model(str(own_model.folder), Device.CPU)


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
    asked: tuple[LlamaSource, Server], own_model: OwnModel
) -> None:
    """First for the ghost, then for what comes behind it."""
    source, server = asked
    ghost = await source.ask("file:///f.py", CURSOR)
    assert ghost.text == ANSWER
    await source.ask("file:///f.py", CURSOR)
    ours, ahead = server.prompts
    assert own_model.fill("def f():\n    value = ", REST) == ours
    assert own_model.fill(f"def f():\n    value = {ANSWER}", REST) == ahead
    assert [each.is_ahead for each in await source.spent()] == [False, True]


async def test_what_is_typed_of_an_answer_costs_no_question(
    asked: tuple[LlamaSource, Server], own_model: OwnModel
) -> None:
    """The answer's rest is shown until something else is typed."""
    source, server = asked
    await source.ask("file:///f.py", CURSOR)
    source.edit("file:///f.py", CURSOR, CURSOR, "com")
    assert (await source.ask("file:///f.py", CURSOR + 3)).text == ANSWER[3:]
    assert own_model.fill("def f():\n    value = com", REST) not in server.prompts
    source.edit("file:///f.py", CURSOR + 3, CURSOR + 3, "x")
    await source.ask("file:///f.py", CURSOR + 4)
    assert own_model.fill("def f():\n    value = comx", REST) in server.prompts


async def test_nothing_is_asked_in_front_of_more_than_eight_characters(
    asked: tuple[LlamaSource, Server],
) -> None:
    """As by itself in llama.vim."""
    source, server = asked
    ghost = await source.ask("file:///f.py", TEXT.index("return"))
    assert (ghost.text, server.prompts) == ("", [])
