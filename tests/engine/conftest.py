"""The real engine, started once for the tests of a module."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from lsp_server.config import EngineConfig
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
