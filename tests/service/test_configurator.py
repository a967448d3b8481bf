"""The editor's settings come on top, and problems reach the user in one message."""

import json
import logging
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from lsp_server.config import SHIPPED_MODEL, LogLevel
from lsp_server.modelstore.locate import shipped_models
from lsp_server.service.configurator import LayeredConfigurator, anchored
from lsp_server.service.engine_pool import EnginePool
from lsp_server.service.engine_start import starter_of
from lsp_server.service.local_backend import LocalBackend
from lsp_server.setting_layers import Layer
from lsp_server.settings import resolve


def test_good_options_give_no_message() -> None:
    """Whoever does everything right is left in peace."""
    configurator = LayeredConfigurator([])
    _, messages = configurator.initialize({"completion": {"enabled": True}})
    assert [] == messages
    assert [] == configurator.change({"completion": {"enabled": False}})


def test_all_problems_come_in_one_message() -> None:
    """A user with three mistakes gets one pop-up that names all of them."""
    layers = [Layer(place="file.toml", values={"engin": {}})]
    _, messages = LayeredConfigurator(layers).initialize(
        {"engine": {"seed": "x", "device": "tpu"}}
    )
    (message,) = messages
    for part in ("engin", "engine.seed", "engine.device", "file.toml", "editor"):
        assert part in message


def test_a_problem_is_reported_once() -> None:
    """An editor that repeats its mistake gets no second message."""
    configurator = LayeredConfigurator([])
    configurator.initialize({"engine": {"seed": "x"}})
    assert [] == configurator.change({"engine": {"seed": "x"}})
    (message,) = configurator.change({"engine": {"seed": "x", "dtype": 3}})
    assert "engine.dtype" in message
    assert "engine.seed" not in message


def test_what_needs_a_restart_is_said() -> None:
    """A changed model is not loaded under the user's hands; it says when."""
    configurator = LayeredConfigurator([])
    configurator.initialize(None)
    (message,) = configurator.change({"midfill": {"model": {"path": "other"}}})
    assert "model" in message
    assert "restarted" in message
    assert [] == configurator.change({"midfill": {"model": {"path": "other"}}})


def test_null_takes_back_what_was_sent_at_the_start() -> None:
    """A setting deleted in the editor falls back to the file; what is silent stays."""
    layers = [Layer(place="file", values={"completion": {"enabled": False}})]
    configurator = LayeredConfigurator(layers)
    started = {"completion": {"enabled": True, "candidates": 2}}
    backend, _ = backend_of(configurator, started)
    for change, enabled in (
        ({"candidates": 4}, True),
        ({"enabled": None}, False),
        ({"enabled": True}, True),
        ({"enabled": None, "candidates": None}, False),
        ({"candidates": None}, True),
    ):
        assert [] == configurator.change({"midfill": {"completion": change}})
        assert enabled == backend.enabled


def test_the_model_of_a_change_decides_what_fits(tmp_path: Path) -> None:
    """A model with a longer context waits for the restart with its own settings.

    Until then the running model refuses what only the new one has room for.
    """
    shipped = shipped_models()[SHIPPED_MODEL]
    manifest = json.loads((shipped / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(
        json.dumps({**manifest, "context_length": 9000})
    )
    configurator = LayeredConfigurator([])
    configurator.initialize(None)
    wanted = {"model": {"path": str(tmp_path)}, "completion": {"maxLineTokens": 5000}}
    message = "\n".join(configurator.change({"midfill": wanted}))
    assert "model take effect when the server is restarted" in message
    assert "5,000 tokens leave less than 64 of 2,048" in message


def test_relative_paths_start_where_the_editor_was_started(
    tmp_path: Path, model_folder: Path
) -> None:
    """Not in the working folder of a process that many share; names stay names."""
    wanted = {"model": {"path": "../tiny"}, "registry": {"folder": "pulled"}}
    folder = tmp_path / "work"
    folder.mkdir()
    config = anchored(resolve([Layer(place="x", values=wanted)]), folder).config
    assert model_folder.samefile(config.model.path)
    assert str(folder / "pulled") == config.registry.folder
    usual = resolve([])
    assert usual.config.model == anchored(usual, folder).config.model


def test_a_notice_is_a_message_of_the_start() -> None:
    """Why an editor has an engine of its own is said once, when it begins."""
    configurator = LayeredConfigurator([], notices=["Midfill loads alone."])
    assert ["Midfill loads alone."] == configurator.initialize(None)[1]
    assert [] == configurator.change({"midfill": {"completion": {"candidates": 2}}})


@pytest.fixture
async def pool() -> AsyncGenerator[EnginePool]:
    """Make a pool of at most one engine."""
    made = EnginePool(starter_of, max_engines=1)
    yield made
    await made.close()


def backend_of(
    configurator: LayeredConfigurator, options: object
) -> tuple[LocalBackend, list[str]]:
    """Initialise a connection, and return its backend and the messages."""
    backend, messages = configurator.initialize(options)
    assert isinstance(backend, LocalBackend)
    return backend, messages


async def test_connections_of_a_pool_share_unless_the_user_says_otherwise(
    pool: EnginePool,
) -> None:
    """Silence on the engine takes what runs; a wish that is not met is one message."""
    scripted = {"engine": {"kind": "scripted", "seed": 5}}
    first, _ = backend_of(LayeredConfigurator([], pool=pool), scripted)
    for options in (None, {"completion": {"enabled": False}}, scripted):
        shared, messages = backend_of(LayeredConfigurator([], pool=pool), options)
        assert (first.host, []) == (shared.host, messages)
        assert (options or {}).get("completion") is None or not shared.enabled
    other, messages = backend_of(
        LayeredConfigurator([], pool=pool), {"engine": {"kind": "scripted", "seed": 6}}
    )
    assert first.host is other.host
    (message,) = messages
    assert "engine.seed is 5, not 6" in message


async def test_a_refused_connection_lives_with_the_limits_of_the_engine(
    pool: EnginePool,
) -> None:
    """What only its own engine had room for is a problem on the one that runs."""
    engine = {"kind": "scripted", "maxModelLen": 512}
    backend_of(LayeredConfigurator([], pool=pool), {"engine": engine})
    wish = {"engine": {"maxModelLen": 2048}, "completion": {"maxBlockTokens": 600}}
    configurator = LayeredConfigurator([], pool=pool)
    _, messages = backend_of(configurator, wish)
    text = "\n".join(messages)
    assert "600 tokens leave less than 64 of 512" in text
    assert "engine.max_model_len is 512, not 2048" in text
    assert [] == configurator.change({"midfill": wish})


def test_the_level_of_the_log_is_the_process_s_to_set() -> None:
    """A connection reports its level to a process of its own, and sets none itself."""
    before = logging.getLogger("lsp_server").level, list(logging.getLogger().handlers)
    levels: list[LogLevel] = []
    alone = LayeredConfigurator([], set_log_level=levels.append)
    for configurator in (alone, LayeredConfigurator([])):
        configurator.initialize({"log": {"level": "error"}})
        configurator.change({"midfill": {"log": {"level": "debug"}}})
    assert [LogLevel.ERROR, LogLevel.DEBUG] == levels
    after = logging.getLogger("lsp_server").level, list(logging.getLogger().handlers)
    assert before == after
