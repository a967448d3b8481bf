"""Each place is read into a layer, in the shapes that users and editors write."""

import errno
import os
import pwd
from pathlib import Path

import pytest

from lsp_server.config import Config, Device
from lsp_server.raw_settings import config_path
from lsp_server.setting_layers import (
    changed_layer,
    editor_layer,
    environment_layer,
    file_layer,
    server_layers,
)
from lsp_server.settings import resolve


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


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"MIDFILL_DEVICE": "tpu"}, "MIDFILL_DEVICE"),
        ({"MIDFILL_DEVICE": "cpu", "MIDFILL_ENGINE_DEVICE": "x"}, "MIDFILL_ENGINE"),
    ],
)
def test_a_wrong_device_is_reported_by_its_own_variable(
    variables: dict[str, str], named: str
) -> None:
    """By the one that was set, and not by the one that it is short for."""
    (problem,) = resolve([environment_layer(variables)]).problems
    assert f"environment: {named}" in str(problem)


def test_an_unknown_variable_is_reported() -> None:
    """A variable that names no section is a problem; foreign variables are not."""
    layer = environment_layer({"MIDFILL_MODLE_PATH": "x", "HOME": "/", "MIDFILL_": ""})
    messages = [str(problem) for problem in layer.problems]
    assert 2 == len(messages)
    assert "MIDFILL_MODLE_PATH" in messages[1]


@pytest.mark.parametrize("options", [3, "x", [1], {"midfill": 3}])
def test_options_that_are_no_object_are_reported(options: object) -> None:
    """An editor that sends something else than an object gets an error."""
    resolved = resolve([editor_layer(options)])
    assert Config() == resolved.config
    assert 1 == len(resolved.problems)


@pytest.mark.parametrize(
    "options",
    [
        {"midfill": {"engine": {"seed": 7}, "completion": None, "log": []}},
        {"engine": {"seed": 7, "device": None}},
        {"midfill.engine.seed": 7},
        {"midfill": {"engine.seed": 7}},
        {"engine.seed": 7, "midfill": None, "engine": {"seed": 7}, "x": 1},
        None,
        {
            "midfill": {
                "engine": {"seed": 7},
                "enable": True,
                "languages": {"*": True},
                "server": {"path": ""},
                "hint": {"quickSuggestions": True},
                "trace": {"server": "off"},
            }
        },
    ],
)
def test_every_editor_has_its_shape(options: dict[str, object] | None) -> None:
    """Nested or dotted, with nulls for what is not set, and an extension's own keys.

    An editor that sends nothing gets the defaults without a word.
    """
    resolved = resolve([editor_layer(options)])
    if options and options.get("midfill", 0) is not None:
        assert 7 == resolved.config.engine.seed
    assert () == resolved.problems


@pytest.mark.parametrize(
    ("settings", "seed"),
    [
        ({"midfill": {"engine": {"seed": 7}}, "gopls": {"seed": 1}}, 7),
        ({"engine": {"seed": 7}}, 7),
        ({"engine": {"seed": 7}, "gopls": {}}, 7),
        ({"midfill.engine.seed": 7}, 7),
        ({"midfill": {}}, 0),
        ({"midfill": []}, 0),
        ({"gopls": {"staticcheck": True}}, None),
        ({"python": {"analysis": {}}, "editor": {"tabSize": 2}}, None),
        ({"midfill": None}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_changed_settings_are_ours_or_not(settings: object, seed: int | None) -> None:
    """What an editor sends to every server is taken only where it is meant for us."""
    layer = changed_layer(settings)
    if seed is None:
        assert layer is None
        return
    assert layer is not None
    resolved = resolve([layer])
    assert (seed, ()) == (resolved.config.engine.seed, resolved.problems)


def test_a_misspelt_section_is_still_ours() -> None:
    """A typing error is reported; it does not look like another server's settings."""
    layer = changed_layer({"engin": {"seed": 7}})
    assert layer is not None
    (problem,) = resolve([layer]).problems
    assert "Did you mean engine?" in str(problem)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026", "2026"),
        ('"quoted"', "quoted"),
        ("a b", "a b"),
        ("1\nx = 2", "1\nx = 2"),
        ('"a"\nx = 2', '"a"\nx = 2'),
    ],
)
def test_a_text_in_a_variable_is_a_text(text: str, value: str) -> None:
    """Also where TOML would read a number."""
    resolved = resolve([environment_layer({"MIDFILL_MODEL_PATH": text})])
    assert (value, ()) == (resolved.config.model.path, resolved.problems)


def test_a_variable_of_the_extension_is_no_setting() -> None:
    """What VS Code's extension sets for itself is nothing to complain of."""
    assert () == environment_layer({"MIDFILL_VSCODE_LOG": "/x"}).problems


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (b"[engine", "not TOML"),
        (b"\xff\xfe=1", "not UTF-8"),
        (b"x = " + b"[" * 5000, "nested too deeply"),
        (b"x = " + b"9" * 5000, "not TOML"),
        (b"#" * 2_000_000, "larger than"),
    ],
)
def test_a_broken_file_is_reported(
    tmp_path: Path, content: bytes, reported: str
) -> None:
    """A file that is not TOML is ignored, and its name is reported."""
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    (problem,) = file_layer(path).problems
    assert f"{path}: the configuration file is {reported}" in str(problem)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    """Notepad writes one; the settings behind it hold."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf[engine]\r\nseed = 7\r\n")
    resolved = resolve([file_layer(path)])
    assert (7, ()) == (resolved.config.engine.seed, resolved.problems)


def test_a_folder_that_may_not_be_read_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``HOME`` of another user: a sentence, and the defaults."""

    def refuse(path: Path, *_arguments: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    # The tests may run as root, who may read everything.
    monkeypatch.setattr(Path, "is_file", refuse)
    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.delenv("MIDFILL_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = config_path()
    assert path is not None
    (problem,) = file_layer(path).problems
    assert "Permission denied" in str(problem)


def test_a_user_without_a_home_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither HOME nor an entry in the list of users: as in many containers."""

    def unknown(_number: int) -> None:
        raise KeyError("getpwuid(): uid not found")

    for name in ("HOME", "MIDFILL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert config_path() is None


def test_a_missing_named_file_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that ``MIDFILL_CONFIG`` names and that is not there is reported."""
    monkeypatch.setenv("MIDFILL_CONFIG", str(tmp_path / "no.toml"))
    path = config_path()
    assert path is not None
    (problem,) = file_layer(path).problems
    assert "No such file" in str(problem)


def test_the_default_file_is_found_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The XDG folder's file is read if it exists, and none is fine."""
    monkeypatch.delenv("MIDFILL_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_path() is None
    (tmp_path / "midfill").mkdir()
    path = tmp_path / "midfill" / "config.toml"
    path.touch()
    assert path == config_path()


def test_tests_have_no_settings_of_whoever_runs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a test starts inherits this: else each server would listen there, too."""
    (tmp_path / "midfill").mkdir()
    path = tmp_path / "midfill" / "config.toml"
    path.write_text('[rest]\nlisten = "127.0.0.1:0"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file, _environment = server_layers(None)
    assert ({}, ()) == (file.values, file.problems)


def test_the_file_comes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--config`` names the file; a variable wins over it."""
    path = tmp_path / "c.toml"
    path.write_text("[engine]\nseed = 1\nmax_num_seqs = 2\n")
    monkeypatch.setenv("MIDFILL_ENGINE_SEED", "3")
    config = resolve(server_layers(path)).config
    assert (3, 2) == (config.engine.seed, config.engine.max_num_seqs)


def test_the_command_line_comes_after_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``--model`` wins over a variable, and what the editor sends over both."""
    monkeypatch.setenv("MIDFILL_MODEL_PATH", "a")
    layers = server_layers(None, "b")
    assert "b" == resolve(layers).config.model.path
    layers.append(editor_layer({"model": {"path": "c"}}))
    assert "c" == resolve(layers).config.model.path


def test_there_need_be_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a file the environment is the only layer."""
    monkeypatch.delenv("MIDFILL_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert ["environment"] == [layer.place for layer in server_layers(None)]


@pytest.mark.parametrize(
    "options",
    [
        {"midfill": {"models": {"requireSignature": False, "trustedKeys": ""}}},
        {"midfill.models.requireSignature": False, "models.trustedKeys": ""},
        {"models": {"require_signature": None}, "engine": {}},
    ],
)
def test_no_workspace_decides_whose_models_are_trusted(
    options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an editor sends may come from the folder that is open in it."""
    key = f"ed25519:{'A' * 43}="
    monkeypatch.setenv("MIDFILL_MODELS_REQUIRE_SIGNATURE", "true")
    monkeypatch.setenv("MIDFILL_MODELS_TRUSTED_KEYS", key)
    for layer in (editor_layer(options), changed_layer(options)):
        assert layer is not None
        resolved = resolve([*server_layers(None), layer])
        models = resolved.config.models
        assert (key, True) == (models.trusted_keys, models.require_signature)
        (problem,) = resolved.problems
        assert "no editor and no workspace can set models" in str(problem)
