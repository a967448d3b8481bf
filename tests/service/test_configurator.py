"""The editor's settings come on top, and problems reach the user in one message."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from lsp_server.service.configurator import LayeredConfigurator, anchored
from lsp_server.setting_layers import Layer
from lsp_server.settings import resolve


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = before


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


def test_a_problem_is_told_once() -> None:
    """An editor that repeats its mistake is not told again, only of a new one."""
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


def test_the_model_of_a_change_decides_what_fits(tmp_path: Path) -> None:
    """A model with a longer context waits for the restart with its own settings.

    Until then the running model refuses what only the new one has room for.
    """
    shipped = Path(__file__).parents[2] / "models" / "midfill-starter-88m"
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
    """Why an editor has an engine of its own is told once, when it begins."""
    configurator = LayeredConfigurator([], notices=["Midfill loads alone."])
    assert ["Midfill loads alone."] == configurator.initialize(None)[1]
    assert [] == configurator.change({"midfill": {"completion": {"candidates": 2}}})
