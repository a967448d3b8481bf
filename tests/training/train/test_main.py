"""The command says what is wrong in a line, and ends with a status."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lsp_server.config import SHIPPED_MODEL
from lsp_server.modelstore.locate import shipped_models
from training.train import loop
from training.train.__main__ import main

ROOT = Path(__file__).resolve().parents[3]
STARTER = ROOT / "training" / "train" / "starter.toml"

TINY = {
    "layers = 12": "layers = 1",
    "hidden = 768": "hidden = 16",
    "heads = 12\n": "heads = 2\n",
    "kv_heads = 4": "kv_heads = 1",
    "head_size = 64": "head_size = 8",
    "feed_forward = 2048": "feed_forward = 16",
    "batch_tokens = 131072": "batch_tokens = 2048",
    "micro_batch_tokens = 65536": "micro_batch_tokens = 2048",
    "steps = 5000": "steps = 1",
    "held_out_examples = 256": "held_out_examples = 1",
    "log_every_steps = 10": "log_every_steps = 1",
}


@pytest.fixture
def run(corpus: Path, tmp_path: Path) -> Callable[..., int]:
    """Return the command on the shipped file, made tiny."""
    text = STARTER.read_text(encoding="utf-8")
    for old, new in TINY.items():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    tokenizer = str(shipped_models()[SHIPPED_MODEL])

    def command(*more: str) -> int:
        folders = ("--corpus", str(corpus), "--tokenizer", tokenizer)
        out = ("--out", str(tmp_path / "out"), "--workers", "0")
        return main([str(path), *folders, *out, *more])

    return command


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a GPU alone."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_trains_and_resumes(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run ends with status 0, shows its progress, and may be taken up again."""
    assert 0 == run()
    said = capsys.readouterr()
    assert "" == said.out
    assert "weights on 1 x cpu" in said.err
    assert "100.0% | step 1 | " in said.err
    assert (tmp_path / "out" / "model" / "model.safetensors").exists()
    assert 0 == run("--resume")
    assert "step 1 |" not in capsys.readouterr().err


def test_tells_what_is_wrong(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error is a line on stderr and status 1."""
    assert 1 == run("--corpus", str(tmp_path / "none"))
    assert "error: " in capsys.readouterr().err
    assert 1 == run("--workers", "-1")
    assert "data.workers" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert 1 == run("--out", str(tmp_path / "file" / "out"))
    assert "the folder cannot be made" in capsys.readouterr().err


def test_an_interruption_is_no_error(
    run: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C ends with status 130 and says how to go on."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "train", interrupt)
    assert 130 == run()
    assert "--resume continues" in capsys.readouterr().err


@pytest.mark.parametrize("minutes", ["0", "-1", "many"])
def test_refuses_minutes_that_are_none(
    run: Callable[..., int], minutes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no time is refused before anything is read."""
    with pytest.raises(SystemExit):
        run("--minutes", minutes)
    assert "--minutes" in capsys.readouterr().err
