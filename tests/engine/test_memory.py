"""A model that does not fit is refused before anything is loaded."""

from pathlib import Path

import psutil
import pytest

from lsp_server.engine.memory import require_memory
from lsp_server.errors import EngineStartError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with 3 KiB of weights in two shards."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "model-1.safetensors").write_bytes(bytes(2048))
    (folder / "model-2.safetensors").write_bytes(bytes(1024))
    (folder / "tokenizer.json").write_bytes(bytes(4096))
    return folder


def test_a_model_that_fits_passes(model: Path) -> None:
    """A kibibyte of cache beside three of weights is no trouble."""
    require_memory(model, kv_cache_bytes=1024)


def test_weights_and_cache_count_together(model: Path) -> None:
    """A cache as large as the free memory leaves none for the weights."""
    free_bytes = psutil.virtual_memory().available
    with pytest.raises(EngineStartError, match="GiB are free") as raised:
        # Twice: other programs may free some memory between the two looks.
        require_memory(model, kv_cache_bytes=2 * free_bytes)
    assert "tiny" == raised.value.subject
    assert "engine.kv_cache_memory_bytes" in raised.value.remedy


def test_every_shard_counts(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights of all shards are needed, and not a byte more."""
    memory = psutil.virtual_memory()
    monkeypatch.setattr(
        psutil, "virtual_memory", lambda: memory._replace(available=4096)
    )
    require_memory(model, kv_cache_bytes=1024)
    with pytest.raises(EngineStartError):
        require_memory(model, kv_cache_bytes=1025)
