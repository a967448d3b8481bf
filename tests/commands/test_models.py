"""``midfill models`` as somebody runs it, without the hub."""

import hashlib
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lsp_server.__main__ import main
from lsp_server.commands.models import machine_of
from lsp_server.config import Config, Device, EngineConfig
from lsp_server.modelstore.locate import pulled_models_folder, shipped_models
from lsp_server.service.loaded_model import load_model
from lsp_server.setting_layers import server_layers
from lsp_server.settings import resolve

STARTER = "midfill-starter-88m"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty data folder, and no settings."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("MIDFILL_ENGINE_DEVICE", "cpu")
    monkeypatch.delenv("MIDFILL_CONFIG", raising=False)
    return tmp_path / "data" / "midfill" / "models"


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve a small folder that looks like a model, and give its address."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "mirror"
    shutil.copytree(
        shipped_models()[STARTER],
        folder,
        ignore=shutil.ignore_patterns("model.safetensors"),
    )
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    weights = len(header).to_bytes(8, "little") + header + bytes(4)
    (folder / "model.safetensors").write_bytes(weights)
    # Of a type whose tensors are not compared with its sizes: there is one number.
    config = json.loads((folder / "config.json").read_text())
    del config["model_type"]
    (folder / "config.json").write_text(json.dumps(config))
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in ("model.safetensors", "config.json"):
        content = (folder / name).read_bytes()
        manifest["files"][name] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
        }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    """A table for people, and JSON for programs."""
    assert 0 == main(["models", "list"])
    assert "qwen2.5-coder-7b" in capsys.readouterr().out
    assert 0 == main(["models", "list", "--json"])
    assert STARTER == json.loads(capsys.readouterr().out)[0]["name"]


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    """One model, with its sources."""
    assert 0 == main(["models", "show", "starcoder2-3b"])
    assert "source          checkpoint: https://" in capsys.readouterr().out
    assert 0 == main(["models", "show", "starcoder2-3b", "--json"])
    assert "starcoder2" == json.loads(capsys.readouterr().out)[0]["family"]


def test_an_unknown_name_is_told(capsys: pytest.CaptureFixture[str]) -> None:
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
    (starter,) = (model for model in models if model["name"] == STARTER)
    size = (shipped_models()[STARTER] / "model.safetensors").stat().st_size
    assert size == starter["need"]["weights"]
    # What the engine sets aside on a CPU, whatever is asked.
    assert 1 << 30 == starter["need"]["cache"]


def test_recommend_wants_a_positive_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Zero requests need no model."""
    with pytest.raises(SystemExit):
        main(["models", "recommend", "--concurrency", "0"])
    assert "'0' is not a whole number from 1 on" in capsys.readouterr().err


def test_verify_a_shipped_model(capsys: pytest.CaptureFixture[str]) -> None:
    """By its name."""
    assert 0 == main(["models", "verify", STARTER])
    assert "every hash is that of the manifest" in capsys.readouterr().out


def test_verify_tells_damage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a folder, with the file's name."""
    folder = tmp_path / "damaged"
    folder.mkdir()
    for path in shipped_models()[STARTER].iterdir():
        if path.name != "model.safetensors":
            shutil.copy(path, folder)
    assert 1 == main(["models", "verify", str(folder)])
    assert "model.safetensors: the file is missing" in capsys.readouterr().err


def test_verify_tells_that_there_is_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither shipped nor fetched."""
    assert 1 == main(["models", "verify", "qwen2.5-coder-7b"])
    assert "neither a shipped or pulled model nor a folder" in capsys.readouterr().err


def test_pull_of_a_shipped_model_needs_no_network(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its folder is printed."""
    assert 0 == main(["models", "pull", STARTER])
    assert f"{shipped_models()[STARTER]}\n" == capsys.readouterr().out


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


def test_a_wrong_setting_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the command goes on with the value below."""
    monkeypatch.setenv("MIDFILL_ENGINE_SEED", "x")
    assert 0 == main(["models", "verify", STARTER])
    assert 'MIDFILL_ENGINE_SEED = "x" is not accepted' in capsys.readouterr().err


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


def test_this_machine_has_cores_and_memory() -> None:
    """Whatever runs this test."""
    config = Config(engine=EngineConfig(device=Device.CPU))
    machine = machine_of(config)
    assert ("cpu", ()) == (machine.device, machine.gpus)
    assert machine.cores >= 1
    assert machine.budget_bytes > 0
