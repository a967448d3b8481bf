"""``midfill models pull``, ``push``, ``sign`` and ``keygen`` as somebody runs them."""

import shutil
import sys
from pathlib import Path

import pytest

from lsp_server.__main__ import main
from lsp_server.config import SHIPPED_MODEL, Device
from lsp_server.modelstore.locate import pulled_models_folder, shipped_models
from lsp_server.modelstore.signature import read_signature
from lsp_server.service.loaded_model import load_model
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve

pytestmark = pytest.mark.usefixtures("home")


def test_pull_of_a_shipped_model_needs_no_network(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its folder is printed."""
    assert 0 == main(["models", "pull", SHIPPED_MODEL])
    assert f"{shipped_models()[SHIPPED_MODEL]}\n" == capsys.readouterr().out


def test_pull_offline_of_what_is_not_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An error that says what to do."""
    assert 1 == main(["models", "pull", "qwen2.5-coder-7b", "--offline"])
    assert "--offline forbids to fetch it" in capsys.readouterr().err


def test_pull_refuses_a_source_that_is_not_allowed(
    mirror: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By default only the hub is."""
    assert 1 == main(["models", "pull", "mine", "--from", mirror])
    assert "not on the list of allowed ones" in capsys.readouterr().err


def test_pull_then_offline_then_verify(
    mirror: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What was fetched from an allowed source is found by name afterwards."""
    monkeypatch.setenv("MIDFILL_REGISTRY_SOURCES", f"huggingface.co {mirror}")
    assert 0 == main(["models", "pull", "mine", "--from", mirror])
    shown = capsys.readouterr()
    assert f"{home / 'mine'}\n" == shown.out
    assert "pinned revision" in shown.err
    assert "model.safetensors: 100 % of 0.0 MB" in shown.err
    assert "set model.path to mine\n" in shown.err
    monkeypatch.setenv("MIDFILL_REGISTRY_SOURCES", "huggingface.co")
    assert 0 == main(["models", "pull", "mine", "--from", mirror, "--offline"])
    assert f"{home / 'mine'}\n" == capsys.readouterr().out
    assert 0 == main(["models", "verify", "mine"])


def test_progress_is_a_bar_on_a_terminal(
    mirror: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is redrawn, and stands complete when the file is there."""
    monkeypatch.setenv("MIDFILL_REGISTRY_SOURCES", mirror)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    assert 0 == main(["models", "pull", "mine", "--from", mirror])
    shown = capsys.readouterr().err
    assert "model.safetensors" in shown
    assert "━━━━" in shown
    assert "100%" in shown
    assert home.is_dir()


def test_pull_needs_a_folder_to_pull_into(
    mirror: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A user without a home has to name one."""
    monkeypatch.setenv("MIDFILL_REGISTRY_FOLDER", "~no-such-user/models")
    assert 1 == main(["models", "pull", "mine", "--from", mirror])
    assert "registry.folder: this user has no home" in capsys.readouterr().err
    assert 0 == main(["models", "recommend"])


def test_the_server_finds_what_was_pulled(
    mirror: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name alone, as a setting or on the command line."""
    monkeypatch.setenv("MIDFILL_REGISTRY_SOURCES", mirror)
    assert 0 == main(["models", "pull", "mine", "--from", mirror])
    config = resolve(server_layers(None, "mine")).config
    pulled = pulled_models_folder(config.registry.folder)
    loaded = load_model(config.model.path, Device.CPU, pulled=pulled)
    assert home / "mine" == loaded.folder


def test_an_address_alone_is_enough(
    mirror: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its last part is the name, unless there is a better one."""
    monkeypatch.setenv("MIDFILL_REGISTRY_SOURCES", mirror)
    assert 1 == main(["models", "pull", mirror])
    assert "this is not a plain name" in capsys.readouterr().err
    assert 0 == main(["models", "pull", mirror, "--name", "mine"])
    assert f"{home / 'mine'}\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["http://a.example/m", "--from", "http://b.example/m"], "two addresses"),
        (["mine", "--name", "yours"], "the model has a name already"),
        (["mine", "--from", "http://b.example/m", "--name", "x"], "has a name already"),
    ],
)
def test_two_names_or_addresses_are_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither is guessed at."""
    assert 1 == main(["models", "pull", *words])
    assert message in capsys.readouterr().err


def test_a_failed_pull_keeps_what_is_there_if_asked(
    mirror: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With one warning; what is damaged is not kept, and then the pull has failed."""
    monkeypatch.setenv("MIDFILL_REGISTRY_SOURCES", mirror)
    pull = ["models", "pull", mirror, "--name", "mine", "--update"]
    assert 0 == main(pull)
    monkeypatch.setenv("MIDFILL_REGISTRY_SOURCES", "huggingface.co")
    capsys.readouterr()
    assert 1 == main(pull)
    assert 1 == len(capsys.readouterr().err.splitlines())
    assert 0 == main([*pull, "--keep-on-failure"])
    shown = capsys.readouterr()
    assert f"{home / 'mine'}\n" == shown.out
    assert 1 == shown.err.count("warning: the model that is there is kept")
    assert "not on the list of allowed ones" in shown.err
    (home / "mine" / "config.json").write_text("{}")
    assert 1 == main([*pull, "--keep-on-failure"])


def test_what_is_required_holds_for_what_is_there(
    mirror: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """For a pull, offline and not, for --keep-on-failure, and for `verify`."""
    monkeypatch.setenv("MIDFILL_REGISTRY_SOURCES", mirror)
    pull = ["models", "pull", mirror, "--name", "mine"]
    assert 0 == main(pull)
    key = tmp_path / "key.pem"
    capsys.readouterr()
    assert 0 == main(["models", "keygen", str(key)])
    monkeypatch.setenv("MIDFILL_MODELS_TRUSTED_KEYS", capsys.readouterr().out.strip())
    monkeypatch.setenv("MIDFILL_MODELS_REQUIRE_SIGNATURE", "true")
    commands = [
        pull,
        [*pull, "--offline"],
        [*pull, "--update", "--keep-on-failure"],
        ["models", "verify", "mine"],
    ]
    for command in commands:
        assert 1 == main(command)
        assert "it is not signed" in capsys.readouterr().err
    assert 0 == main(["models", "verify", SHIPPED_MODEL])
    assert 1 == main(["models", "pull", "qwen2.5-coder-7b"])
    assert "the hub's models are not signed" in capsys.readouterr().err
    assert 0 == main(["models", "sign", str(home / "mine"), "--key", str(key)])
    for command in commands[:2]:
        assert 0 == main(command)
    assert 0 == main(["models", "verify", "mine"])


def test_a_shipped_model_is_not_changed_by_signing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is signed on the way out; a folder without a manifest is not signed."""
    key = str(tmp_path / "key.pem")
    assert 0 == main(["models", "keygen", key])
    assert 1 == main(["models", "sign", SHIPPED_MODEL, "--key", key])
    assert "Sign it when you push it, with --key" in capsys.readouterr().err
    assert read_signature(shipped_models()[SHIPPED_MODEL]) is None
    assert 1 == main(["models", "sign", str(tmp_path), "--key", key])
    assert "the folder has no manifest.json" in capsys.readouterr().err


def test_an_unsafe_folder_is_not_pushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the store is asked anything."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "x")
    folder = shutil.copytree(shipped_models()[SHIPPED_MODEL], tmp_path / "mine")
    (folder / "pytorch_model.bin").touch()
    assert 1 == main(["models", "push", str(folder), "s3://models/mine"])
    assert "can hold a pickle" in capsys.readouterr().err
