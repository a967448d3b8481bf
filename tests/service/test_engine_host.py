"""A host keeps to the model that it began with, and to whom its settings trust."""

import shutil
from pathlib import Path

from news_listener import Listener

from lsp_server.config import (
    Config,
    EngineConfig,
    EngineKind,
    ModelConfig,
    ModelsConfig,
    RegistryConfig,
)
from lsp_server.engine.base import Engine
from lsp_server.engine.start_progress import StartProgress
from lsp_server.engine_values import EngineState
from lsp_server.modelstore.locate import previous_folder, shipped_models
from lsp_server.modelstore.manifest import load_manifest
from lsp_server.service.engine_host import EngineHost
from lsp_server.service.engine_start import starter_of
from lsp_server.service.loaded_model import LoadedModel

SCRIPTED = EngineConfig(kind=EngineKind.SCRIPTED, max_restarts=0)


def config_of(models: Path) -> Config:
    """Return settings with a pulled model."""
    (shipped,) = shipped_models().values()
    shutil.copytree(shipped, models / "team")
    return Config(
        engine=SCRIPTED,
        model=ModelConfig(path="team"),
        registry=RegistryConfig(folder=str(models)),
    )


async def test_a_restarted_engine_gets_the_model_that_the_server_began_with(
    tmp_path: Path,
) -> None:
    """A pull has put another one in its place, and the old one aside."""
    folders: list[Path] = []
    start_scripted = starter_of(EngineKind.SCRIPTED)

    async def start(
        config: Config, model: LoadedModel, progress: StartProgress
    ) -> Engine:
        folders.append(model.folder)
        assert host.model is None or host.model.manifest == load_manifest(model.folder)
        return await start_scripted(config, model, progress)

    config = config_of(tmp_path)
    host, listener = EngineHost(config, start), Listener()
    host.attach(listener)
    host.begin()
    await listener.until(EngineState.READY)
    folder = tmp_path / "team"
    older = previous_folder(folder)
    older.parent.mkdir()
    folder.rename(older)
    shutil.copytree(older, folder)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("Apache-2.0", "MIT"))
    listener.received.clear()
    host.restart()
    await listener.until(EngineState.READY)
    assert [folder, older] == folders
    assert "team" == host.model_name
    await host.close()


async def test_a_model_that_nobody_trusted_has_signed_is_not_started(
    tmp_path: Path,
) -> None:
    """The news says why."""
    config = config_of(tmp_path)
    trusting = ModelsConfig(trusted_keys=f"ed25519:{'A' * 43}=", require_signature=True)
    untrusted = Config(
        engine=config.engine,
        model=config.model,
        registry=config.registry,
        models=trusting,
    )
    host, listener = EngineHost(untrusted, starter_of(EngineKind.SCRIPTED)), Listener()
    host.attach(listener)
    host.begin()
    news = await listener.until(EngineState.FAILED)
    assert "it is not signed" in news.what
    await host.close()
