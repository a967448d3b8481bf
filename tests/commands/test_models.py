"""``midfill models`` as somebody runs it, without the hub."""

import json
import shutil
from pathlib import Path

import pytest

from lsp_server.__main__ import main
from lsp_server.commands.models import machine_of
from lsp_server.config import SHIPPED_MODEL, Config, Device, EngineConfig
from lsp_server.modelstore.locate import shipped_models

pytestmark = pytest.mark.usefixtures("home")


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    """A table for people, and JSON for programs."""
    assert 0 == main(["models", "list"])
    assert "qwen2.5-coder-7b" in capsys.readouterr().out
    assert 0 == main(["models", "list", "--json"])
    assert SHIPPED_MODEL == json.loads(capsys.readouterr().out)[0]["name"]


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    """One model, with its sources."""
    assert 0 == main(["models", "show", "starcoder2-3b"])
    assert "source          checkpoint: https://" in capsys.readouterr().out
    assert 0 == main(["models", "show", "starcoder2-3b", "--json"])
    assert "starcoder2" == json.loads(capsys.readouterr().out)[0]["family"]


def test_an_unknown_name_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """In a sentence, with the known names."""
    assert 1 == main(["models", "show", "gpt-9"])
    assert "the registry has no model of this name" in capsys.readouterr().err


def test_recommend(capsys: pytest.CaptureFixture[str]) -> None:
    """This very machine gets advice."""
    assert 0 == main(["models", "recommend", "--context", "512"])
    shown = capsys.readouterr().out
    assert "no GPU in use" in shown
    assert "Asked for: 512 tokens" in shown
    assert 0 == main(["models", "recommend", "--json", "--concurrency", "1"])
    models = json.loads(capsys.readouterr().out)["models"]
    (starter,) = (model for model in models if model["name"] == SHIPPED_MODEL)
    size = (shipped_models()[SHIPPED_MODEL] / "model.safetensors").stat().st_size
    assert size == starter["need"]["weights"]
    # What the engine sets aside on a CPU, whatever is asked.
    assert 1 << 30 == starter["need"]["cache"]


def test_recommend_wants_a_positive_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Zero requests need no model."""
    with pytest.raises(SystemExit):
        main(["models", "recommend", "--concurrency", "0"])
    assert "'0' is not a whole number of 1 or more" in capsys.readouterr().err


def test_verify_a_shipped_model(capsys: pytest.CaptureFixture[str]) -> None:
    """By its name."""
    assert 0 == main(["models", "verify", SHIPPED_MODEL])
    assert "every hash is that of the manifest" in capsys.readouterr().out


def test_damage_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a folder, with the file's name."""
    folder = tmp_path / "damaged"
    folder.mkdir()
    for path in shipped_models()[SHIPPED_MODEL].iterdir():
        if path.name != "model.safetensors":
            shutil.copy(path, folder)
    assert 1 == main(["models", "verify", str(folder)])
    assert "model.safetensors: the file is missing" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_reported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither shipped nor fetched; no setting is advised that `verify` does not use."""
    assert 1 == main(["models", "verify", "qwen2.5-coder-7b"])
    reported = capsys.readouterr().err
    assert "neither a shipped or pulled model nor a folder" in reported
    assert "model.path" not in reported


def test_a_wrong_setting_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the command goes on with the value below."""
    monkeypatch.setenv("MIDFILL_ENGINE_SEED", "x")
    assert 0 == main(["models", "verify", SHIPPED_MODEL])
    assert 'MIDFILL_ENGINE_SEED = "x" is not accepted' in capsys.readouterr().err


def test_this_machine_has_cores_and_memory() -> None:
    """Whatever runs this test."""
    config = Config(engine=EngineConfig(device=Device.CPU))
    machine = machine_of(config)
    assert ("cpu", ()) == (machine.device, machine.gpus)
    assert machine.cores >= 1
    assert machine.budget_bytes > 0
