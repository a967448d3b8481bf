"""A start that fails says why and what to do, and leaves nothing behind."""

import asyncio
import gc
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from lsp_server.config import EngineConfig
from lsp_server.engine.launch import child_processes
from lsp_server.engine.vllm_engine import VllmEngine
from lsp_server.engine.vllm_launch import VllmLaunch
from lsp_server.engine_values import StartStage
from lsp_server.errors import (
    ConfigError,
    EngineStartError,
    MidfillError,
    ModelIntegrityError,
    UnsupportedModelError,
)

GuardsOf = Callable[[Path], list[psutil.Process]]

#: The first test imports vLLM, which warns of PyTorch's plans.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What a failed start left behind is collected within its test."""
    yield
    gc.collect()


async def start(folder: Path, config: EngineConfig | None = None) -> VllmEngine:
    """Start an engine as the server does."""
    return await VllmEngine.start(
        config or EngineConfig(kv_cache_memory_bytes=96 << 20),
        model_folder=folder,
        context_length=2048,
        quantization="gptq",
    )


@pytest.fixture
def model_copy(shipped_model: Path, tmp_path: Path) -> Path:
    """A copy of the shipped model, to be damaged."""
    return Path(shutil.copytree(shipped_model, tmp_path / "damaged"))


def edit_config(model: Path, changes: dict[str, Any]) -> None:
    """Change top-level entries of a model's config.json."""
    path = model / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")


def content_of(folder: str) -> list[Path]:
    """What lies in a folder."""
    return list(Path(folder).iterdir())


@pytest.mark.engine
async def test_a_truncated_shard(model_copy: Path) -> None:
    """What a worker process found out is what the user reads."""
    shard = model_copy / "model.safetensors"
    with shard.open("r+b") as file:
        file.truncate(shard.stat().st_size - 1000)
    with pytest.raises(ModelIntegrityError) as raised:
        await start(model_copy)
    assert "damaged" == raised.value.subject
    assert "copy or quantise the model again" in raised.value.remedy
    assert [] == child_processes()


@pytest.mark.engine
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (
            {"quantization_config": {"quant_method": "unheard-of", "bits": 4}},
            EngineStartError,
        ),
        ({"architectures": ["UnheardOfForCausalLM"]}, UnsupportedModelError),
        ({"model_type": "unheard-of", "architectures": None}, UnsupportedModelError),
    ],
    ids=["quantisation", "architecture", "model type"],
)
async def test_an_unsupported_model(
    model_copy: Path, changes: dict[str, Any], error: type[MidfillError]
) -> None:
    """It is refused before a process is started, with what to do."""
    edit_config(model_copy, changes)
    with pytest.raises(error) as raised:
        await start(model_copy)
    assert raised.value.remedy
    assert "validation error" not in str(raised.value)
    assert len(str(raised.value)) < 300
    assert [] == child_processes()


@pytest.mark.engine
async def test_a_model_too_large_for_the_memory(shipped_model: Path) -> None:
    """A cache beyond all memory is refused at once, and the setting is named."""
    config = EngineConfig(kv_cache_memory_bytes=1 << 50)
    with pytest.raises(EngineStartError, match="free") as raised:
        async with asyncio.timeout(60):
            await start(shipped_model, config)
    assert "engine.kv_cache_memory_bytes" in raised.value.remedy


@pytest.mark.engine
async def test_a_context_beyond_the_models(shipped_model: Path) -> None:
    """A setting that the model cannot meet is an error of the configuration."""
    with pytest.raises(ConfigError, match="2048"):
        await start(shipped_model, EngineConfig(max_model_len=4096))


@pytest.mark.engine
async def test_a_cancelled_start_leaves_no_process(shipped_model: Path) -> None:
    """A start that nobody waits for any more ends with all it has begun."""
    task = asyncio.create_task(start(shipped_model))
    async with asyncio.timeout(120):
        while not child_processes():  # noqa: ASYNC110 - nobody tells of a process
            await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [] == child_processes()


async def test_a_cancelled_start_leaves_no_folder(
    shipped_model: Path, monkeypatch: pytest.MonkeyPatch, guards_of: GuardsOf
) -> None:
    """It goes at once, and the guard stays until the import of vLLM has ended."""
    importing, imported = threading.Event(), threading.Event()

    def on_stage(stage: StartStage) -> None:
        if stage is StartStage.IMPORT:
            importing.set()
            imported.wait(60)  # like an import, which cannot be interrupted
            raise ImportError

    runtime = tempfile.TemporaryDirectory()
    monkeypatch.setattr(os, "environ", os.environ | {"XDG_RUNTIME_DIR": runtime.name})
    launch = VllmLaunch(
        config=EngineConfig(kv_cache_memory_bytes=96 << 20),
        model_folder=shipped_model,
        context_length=2048,
        quantization="gptq",
        on_stage=on_stage,
    )
    task = asyncio.create_task(launch.start())
    assert await asyncio.to_thread(importing.wait, 60)
    (folder,) = content_of(runtime.name)
    (guard,) = guards_of(folder)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [] == content_of(runtime.name)
    assert guard.is_running()
    imported.set()
    await asyncio.to_thread(guard.wait, 60)
    runtime.cleanup()
