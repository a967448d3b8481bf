"""The REST API on the real vLLM with the shipped model."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import httpx
import openai
import pytest
import pytest_asyncio
from own_models import shipped_model

from lsp_server.config import (
    SHIPPED_MODEL,
    AccessConfig,
    Config,
    EngineConfig,
    RestConfig,
)
from lsp_server.daemon.listen_rest import rest_api
from lsp_server.engine_values import EngineState
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import starter_of

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

pytestmark = [
    pytest.mark.engine,
    pytest.mark.asyncio(loop_scope="module"),
    # The first test imports vLLM, which warns of PyTorch's plans.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

PREFIX = "def area(width, height):\n    "
SUFFIX = "\n    return result\n"
START_TIMEOUT_S = 240
# The shipped model follows no instructions, but it does fill gaps: the system says what
# stands behind, and the user what stands before.
TEMPLATE = shipped_model().fill(
    prefix="{{ messages[1].content }}", suffix="{{ messages[0].content }}"
)
USES = [("os", "os.getcwd()"), ("json", "json.dumps({})"), ("time", "time.time()")]


class Server:
    """The API, its engines and a client."""

    def __init__(self, port: int, pool: EnginePool) -> None:
        self.pool = pool
        self.http = httpx.AsyncClient(base_url=f"http://localhost:{port}", timeout=60)
        self.openai = openai.AsyncOpenAI(
            base_url=f"http://localhost:{port}/v1", api_key="none", max_retries=0
        )

    async def in_flight(self) -> int:
        """Return how many generations the engine works on."""
        return (await self.pool.hosts[0].engine.health()).requests_in_flight


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Server]:
    """A server whose engine is ready; one for all tests here."""
    folder = tmp_path_factory.mktemp("rest")
    template = folder / "template.jinja"
    template.write_text(TEMPLATE, encoding="utf-8")
    config = Config(
        engine=EngineConfig(kv_cache_memory_bytes=96 << 20, max_restarts=0),
        rest=RestConfig(listen="127.0.0.1:0", chat_template=str(template)),
        access=AccessConfig(
            keys_file=str(folder / "keys.jsonl"), log=str(folder / "access.jsonl")
        ),
    )
    pool = EnginePool(starter_of, max_engines=1)
    try:
        async with rest_api(config, pool) as port:
            assert port is not None
            server = Server(port, pool)
            async with asyncio.timeout(START_TIMEOUT_S):
                while (await server.http.get("/ready")).status_code != 200:
                    assert pool.hosts[0].news.state is not EngineState.FAILED
                    await asyncio.sleep(1)
            yield server
            await server.openai.close()
            await server.http.aclose()
    finally:
        await pool.close()


@pytest.mark.parametrize(("module", "use"), USES)
async def test_a_suffix_decides_what_is_written(
    server: Server, module: str, use: str
) -> None:
    """The same prompt is filled with what stands behind the gap, rendered or not."""
    suffix = f"\n\nprint({use})\n"
    create = server.openai.completions.create
    filled = await create(
        model=SHIPPED_MODEL, prompt="import ", suffix=suffix, max_tokens=4, stop=["\n"]
    )
    assert module == filled.choices[0].text
    rendered = shipped_model().fill("import", suffix)
    raw = await create(
        model=SHIPPED_MODEL,
        prompt=rendered,
        max_tokens=4,
        stop=["\n"],
        extra_body={"raw": True},
    )
    assert f" {module}" == raw.choices[0].text
    plain = await create(model=SHIPPED_MODEL, prompt=rendered, max_tokens=1)
    assert plain.usage is not None
    assert raw.usage is not None
    assert plain.usage.prompt_tokens > raw.usage.prompt_tokens + 9


@pytest.mark.parametrize(("module", "use"), USES)
async def test_a_chat_is_answered_by_its_messages(
    server: Server, module: str, use: str
) -> None:
    """The template's sentinels are tokens; the same ones in a message are text."""
    create = server.openai.chat.completions.create
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": f"\n\nprint({use})\n"},
        {"role": "user", "content": "import"},
    ]
    whole = await create(
        model=SHIPPED_MODEL, messages=messages, max_tokens=4, stop=["\n"]
    )
    assert f" {module}" == whole.choices[0].message.content
    stream = await create(
        model=SHIPPED_MODEL, messages=messages, max_tokens=4, stop=["\n"], stream=True
    )
    parts = [part.choices[0].delta.content or "" async for part in stream]
    assert f" {module}" == "".join(parts)
    messages[1]["content"] = "<|fim_middle|>import"
    spelt = await create(model=SHIPPED_MODEL, messages=messages, max_tokens=1)
    assert whole.usage is not None
    assert spelt.usage is not None
    assert spelt.usage.prompt_tokens > whole.usage.prompt_tokens + 3


async def test_a_stream_is_the_whole_answer_in_parts(server: Server) -> None:
    """Greedy text is the same each time."""
    create = server.openai.completions.create
    whole = await create(
        model=SHIPPED_MODEL, prompt=PREFIX, suffix=SUFFIX, max_tokens=24
    )
    stream = await create(
        model=SHIPPED_MODEL, prompt=PREFIX, suffix=SUFFIX, max_tokens=24, stream=True
    )
    parts = [part async for part in stream]
    assert len(parts) > 4
    assert whole.choices[0].text == "".join(part.choices[0].text for part in parts)


async def test_a_seed_draws_the_same_texts_again(server: Server) -> None:
    """Several texts differ, and the same seed makes the same ones."""
    drawn = [
        [
            choice.text
            for choice in (
                await server.openai.completions.create(
                    model=SHIPPED_MODEL,
                    prompt="import ",
                    n=3,
                    seed=7,
                    temperature=1.0,
                    max_tokens=12,
                )
            ).choices
        ]
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) > 1


async def test_a_client_s_end_frees_the_engine(server: Server) -> None:
    """Within 250 ms nothing is generated for it any more; others go on."""
    body = {"prompt": "x = [\n", "max_tokens": 1500, "n": 4}
    for _ in range(2):
        asking = asyncio.create_task(server.http.post("/v1/completions", json=body))
        async with asyncio.timeout(60):
            while await server.in_flight() < 4:  # noqa: ASYNC110  the engine has no event
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        asking.cancel()
        await asyncio.wait({asking})
        began_s = asyncio.get_running_loop().time()
        while await server.in_flight():  # noqa: ASYNC110  as above
            await asyncio.sleep(0.005)
        assert asyncio.get_running_loop().time() - began_s < 0.25
    answer = await server.http.post("/infill", json={"input_prefix": PREFIX})
    assert answer.json()["timings"]["predicted_n"] > 0
