"""Settings come from their layers, and a bad one is told and left out."""

from pathlib import Path

import pytest

from lsp_server.config import Config, Device, LogLevel
from lsp_server.settings import (
    Layer,
    config_path,
    editor_layer,
    environment_layer,
    file_layer,
    resolve,
)


def test_no_layers_give_the_defaults() -> None:
    """Without any layer, every setting is its default and nothing is wrong."""
    resolved = resolve([])
    assert Config() == resolved.config
    assert () == resolved.problems


def test_later_layers_win_and_keep_the_rest(tmp_path: Path) -> None:
    """The editor wins over the environment, that over the file, key by key."""
    path = tmp_path / "config.toml"
    path.write_text(
        "[engine]\nseed = 1\nmax_num_seqs = 3\n[prompt]\nstep_lines = 8\n"
        '[log]\nlevel = "debug"\n'
    )
    resolved = resolve(
        [
            file_layer(path),
            environment_layer(
                {"MIDFILL_ENGINE_SEED": "2", "MIDFILL_ENGINE_MAX_NUM_SEQS": "4"}
            ),
            editor_layer({"midfill": {"engine": {"maxNumSeqs": 5}}}),
        ]
    )
    assert () == resolved.problems
    assert 2 == resolved.config.engine.seed
    assert 5 == resolved.config.engine.max_num_seqs
    assert 8 == resolved.config.prompt.step_lines
    assert LogLevel.DEBUG is resolved.config.log.level


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"engin": {"seed": 1}}, ["engin", "{'seed': 1}", "model"]),
        ({"engine": {"sed": 1}}, ["engine.sed", "1", "seed", "max_num_seqs"]),
        ({"engine": {"seed": "1"}}, ["engine.seed", "'1'", "a whole number"]),
        ({"engine": {"seed": True}}, ["engine.seed", "True", "a whole number"]),
        ({"engine": {"seed": -1}}, ["engine.seed", "-1", "at least 0"]),
        ({"engine": {"device": "tpu"}}, ["engine.device", "'tpu'", "'cpu', 'cuda'"]),
        ({"engine": {"device": ["cpu"]}}, ["engine.device", "one of"]),
        ({"engine": {"enforce_eager": 1}}, ["engine.enforce_eager", "true or false"]),
        ({"engine": 3}, ["engine", "3", "a table of settings"]),
        ({"model": {"path": 3}}, ["model.path", "3", "a string"]),
        ({"prompt": {"suffix_share": 1.5}}, ["suffix_share", "from 0 to 0.9"]),
        ({"prompt": {"suffix_share": "x" * 99}}, ["...", "a number"]),
    ],
)
def test_a_bad_setting_is_told_and_left_out(
    values: dict[str, object], parts: list[str]
) -> None:
    """The message has key, value, place and what is accepted; the default holds."""
    resolved = resolve([Layer(place="/etc/here.toml", values=values)])
    assert Config() == resolved.config
    (problem,) = resolved.problems
    for part in ["/etc/here.toml", *parts]:
        assert part in str(problem)


def test_a_bad_setting_leaves_its_neighbours() -> None:
    """One wrong key does not cost the right ones beside it."""
    resolved = resolve(
        [Layer(place="x", values={"engine": {"seed": "no", "max_num_seqs": 7}})]
    )
    assert 7 == resolved.config.engine.max_num_seqs
    assert 1 == len(resolved.problems)


def test_a_bad_later_value_leaves_the_earlier_one() -> None:
    """A wrong value of the editor does not undo the file's right one."""
    resolved = resolve(
        [
            Layer(place="file", values={"engine": {"seed": 9}}),
            editor_layer({"engine": {"seed": None}}),
        ]
    )
    assert 9 == resolved.config.engine.seed
    assert "editor" in str(resolved.problems[0])


@pytest.mark.parametrize(
    ("name", "text", "device"),
    [
        ("MIDFILL_DEVICE", "cpu", Device.CPU),
        ("MIDFILL_ENGINE_DEVICE", '"cuda"', Device.CUDA),
    ],
)
def test_the_device_has_a_short_variable(name: str, text: str, device: Device) -> None:
    """``MIDFILL_DEVICE`` is short for ``engine.device``."""
    assert device is resolve([environment_layer({name: text})]).config.engine.device


def test_an_unknown_variable_is_told() -> None:
    """A variable that names no section is a problem; foreign variables are not."""
    layer = environment_layer({"MIDFILL_MODLE_PATH": "x", "HOME": "/", "MIDFILL_": ""})
    messages = [str(problem) for problem in layer.problems]
    assert 2 == len(messages)
    assert "MIDFILL_MODLE_PATH" in messages[1]


@pytest.mark.parametrize("options", [3, "x", [1], {"midfill": 3}])
def test_options_that_are_no_object_are_told(options: object) -> None:
    """An editor that sends something else than an object is told so."""
    resolved = resolve([editor_layer(options)])
    assert Config() == resolved.config
    assert 1 == len(resolved.problems)


def test_no_options_are_fine() -> None:
    """An editor that sends nothing gets the defaults without a word."""
    assert () == resolve([editor_layer(None)]).problems


@pytest.mark.parametrize("content", [b"[engine", b"\xff\xfe=1"])
def test_a_broken_file_is_told(tmp_path: Path, content: bytes) -> None:
    """A file that is not TOML is ignored, and its name is told."""
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    (problem,) = file_layer(path).problems
    assert str(path) in str(problem)


def test_a_missing_named_file_is_told(tmp_path: Path) -> None:
    """A file that ``MIDFILL_CONFIG`` names and that is not there is told."""
    path = config_path({"MIDFILL_CONFIG": str(tmp_path / "no.toml")})
    assert path is not None
    (problem,) = file_layer(path).problems
    assert "No such file" in str(problem)


def test_the_default_file_is_found_where_it_is(tmp_path: Path) -> None:
    """The XDG folder's file is read if it exists, and none is fine."""
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
    assert config_path(environment) is None
    (tmp_path / "midfill").mkdir()
    path = tmp_path / "midfill" / "config.toml"
    path.touch()
    assert path == config_path(environment)
    assert config_path({"HOME": str(tmp_path)}) is None
