"""The real engine, started once for the tests of a module; the guards of a folder."""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from lsp_server.config import EngineConfig
from lsp_server.engine import guard
from lsp_server.engine.vllm_engine import VllmEngine

SHIPPED = Path(__file__).parents[2] / "models" / "midfill-starter-88m"


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
