"""The real engine, started once for the tests of a module; the guards of a folder."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from supervised_engine import FAST, News, Starter, Supervise

from lsp_server.config import SHIPPED_MODEL, EngineConfig
from lsp_server.engine import guard
from lsp_server.engine.hang_watch import RestartPolicy
from lsp_server.engine.supervisor import EngineSupervisor
from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.modelstore.locate import shipped_models

SHIPPED = shipped_models()[SHIPPED_MODEL]


@pytest.fixture(scope="session")
def shipped_model() -> Path:
    """The folder of the model that comes with Midfill."""
    return SHIPPED


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vllm_engine(shipped_model: Path) -> AsyncGenerator[VllmEngine]:
    """vLLM with the shipped model and room for about 8,000 tokens.

    So little memory is used up, and used again, within a few hundred requests; after
    that a growth is a leak.
    """
    engine = await VllmEngine.start(
        EngineConfig(kv_cache_memory_bytes=96 << 20),
        model_folder=shipped_model,
        context_length=2048,
        quantization="gptq",
    )
    yield engine
    await engine.close()


@pytest.fixture
def guards_of() -> Callable[[Path], list[psutil.Process]]:
    """Finds the guards of an engine's folder that are running."""

    def find(folder: Path) -> list[psutil.Process]:
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if {guard.__file__, str(folder)} <= {*(process.info["cmdline"] or [])}
        ]

    return find


@pytest.fixture
async def news() -> News:
    """What the supervisor under test reports."""
    return News()


@pytest.fixture
async def pauses() -> list[float]:
    """The pauses before the restarts, in seconds; none of them takes time."""
    return []


@pytest.fixture
async def supervise(news: News, pauses: list[float]) -> AsyncIterator[Supervise]:
    """Make a supervisor that has begun and is closed at the end."""
    made: list[EngineSupervisor] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    def make(starter: Starter, policy: RestartPolicy = FAST) -> EngineSupervisor:
        supervisor = EngineSupervisor(
            starter, listener=news, policy=policy, sleep=sleep
        )
        supervisor.begin()
        made.append(supervisor)
        return supervisor

    yield make
    for supervisor in made:
        await supervisor.close()
