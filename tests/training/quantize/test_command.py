"""``midfill quantize`` says what is wrong in a line, and ends with a status."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from lsp_server.__main__ import main
from lsp_server.config import SHIPPED_MODEL, EngineKind
from lsp_server.errors import ModelNotFoundError, QuantizeError
from lsp_server.modelstore.locate import shipped_models
from lsp_server.service.engine_start import starter_of
from training.commands.quantize import _complete_a_line

Raw: TypeAlias = dict[str, object]
EditJson: TypeAlias = Callable[[Path, Callable[[Raw], object]], None]

# A Python in which every quantiser is there, and whose worker waits to be ended.
WAITING = """#!{python}
import json, os, sys
if sys.argv[2] == "-c":
    print("0.7.1")
    sys.exit()
os.write(int(sys.argv[4]), json.dumps({{"say": "at work"}}).encode() + b"\\n")
while True:
    pass
"""


def run(source: Path, output: Path, *more: str) -> int:
    """Run the command in this process; none of these runs gets as far as vLLM."""
    return main(
        [
            *("quantize", str(source), "--out", str(output), "--family", "midfill"),
            *("--no-engine", *more),
        ]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--bits", "8"), "8 bits are not offered. Choose --bits 4"),
        (("--sample-tokens", "64"), "samples of 64 tokens are too short"),
        (("--group-size", "48"), "the group size 48 cannot run"),
        (("--group-size", "128"), "groups of 128"),
        (("--calibration", "/no/such/folder"), "the calibration text is missing"),
        (("--samples", "1000000000000"), "GiB of memory, and"),
        (
            ("--group-size", "64", "--requirements", "/no/such/folder"),
            "locks of auto-gptq's environment cannot be read",
        ),
    ],
)
def test_errors_are_a_line_and_a_status(
    tiny_source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    """Status 1, one line on stderr, nothing on stdout, nothing written."""
    environment = tmp_path / "environment"
    status = run(
        tiny_source, tmp_path / "out", "--environment", str(environment), *options
    )
    said = capsys.readouterr()
    assert 1 == status
    assert message in said.err
    assert "" == said.out
    assert not (tmp_path / "out").exists()
    assert not environment.exists()


def test_a_missing_source_costs_no_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can be known at once is said before 1.5 GB are installed."""
    environment = tmp_path / "environment"
    status = run(tmp_path / "no", tmp_path / "out", "--environment", str(environment))
    assert 1 == status
    assert "config.json is missing" in capsys.readouterr().err
    assert not environment.exists()


def test_names_the_backend_that_can(
    tiny_source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    edit_json: EditJson,
) -> None:
    """auto-gptq does not know qwen3: an error, and nothing is switched."""
    edit_json(tiny_source / "config.json", lambda c: c.update(model_type="qwen3"))
    assert 1 == run(tiny_source, tmp_path / "out")
    said = capsys.readouterr().err
    assert 'auto-gptq cannot quantise the model type "qwen3"' in said
    assert "--backend gptqmodel" in said


def test_a_missing_gptqmodel_is_an_error_with_its_command(
    tiny_source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user's choice is not exchanged for what is there."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho none\n")
    python.chmod(0o755)
    options = ("--backend", "gptqmodel", "--python", str(python))
    assert 1 == run(tiny_source, tmp_path / "out", *options)
    said = capsys.readouterr().err
    assert "gptqmodel is not installed" in said
    assert "`make install-gptqmodel`" in said
    assert not (tmp_path / "out").exists()


def test_a_missing_engine_is_reported_first(
    tiny_source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the result could not be loaded, hours of work are not begun."""
    monkeypatch.setattr("training.commands.quantize.installed_vllm", dict)
    words = ["quantize", str(tiny_source), "--out", str(tmp_path / "out")]
    assert 1 == main([*words, "--family", "midfill"])
    assert "--no-engine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--samples", "0"),
        ("--samples", "-1"),
        ("--samples", "many"),
        ("--backend", "awq"),
        ("--device", "tpu"),
        ("--family", "gpt"),
    ],
)
def test_refuses_words_that_make_no_sense(
    tiny_source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    value: str,
) -> None:
    """A usage error, which names the option."""
    with pytest.raises(SystemExit) as caught:
        run(tiny_source, tmp_path / "out", option, value)
    assert 2 == caught.value.code
    assert option in capsys.readouterr().err


def test_a_worker_that_dies_leaves_nothing(
    tiny_source: Path,
    python_files: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A broken environment is an error, and no half of a model is left."""
    requirements = tmp_path / "requirements"
    requirements.mkdir()
    false = shutil.which("false")
    (requirements / "install.py").write_text(
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "(folder / 'bin').mkdir(parents=True)\n"
        f"(folder / 'bin' / 'python').symlink_to({false!r})\n"
    )
    for name in ("quantize.txt", "torch-cpu.txt"):
        (requirements / name).touch()
    output = tmp_path / "home" / "out"
    output.parent.mkdir()
    status = run(
        tiny_source,
        output,
        *("--environment", str(tmp_path / "environment")),
        *("--requirements", str(requirements)),
        *("--calibration", str(python_files)),
    )
    assert 1 == status
    said = capsys.readouterr().err
    assert "the search for the quantiser failed with status 1" in said
    assert "auto-gptq is legacy: archived in March 2025" in said
    assert "--backend gptqmodel" in said
    assert [] == list(output.parent.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(
    tiny_source: Path, python_files: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl+C and SIGTERM, while the worker works: status 130, and nothing is left."""
    python = tmp_path / "python"
    python.write_text(WAITING.format(python=sys.executable))
    python.chmod(0o755)
    output = tmp_path / "home" / "out"
    output.parent.mkdir()
    words = [
        *("quantize", str(tiny_source), "--out", str(output), "--family", "midfill"),
        *("--no-engine", "--python", str(python)),
        *("--calibration", str(python_files)),
    ]
    with subprocess.Popen(
        # Under a shell's `&` these tests inherit that Ctrl+C is ignored.
        ["env", "--default-signal", sys.executable, "-m", "lsp_server", *words],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "at work" in line:
                os.kill(process.pid, number)
                break
        said = process.stderr.read()
    assert "interrupted; nothing was written" in said
    assert 130 == process.returncode
    assert [] == list(output.parent.iterdir())


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the scripted engine where vLLM would start."""
    monkeypatch.setattr(
        "training.commands.quantize.starter_of",
        lambda _kind: starter_of(EngineKind.SCRIPTED),
    )


@pytest.mark.usefixtures("scripted")
def test_the_proof_completes_a_line() -> None:
    """A folder is loaded as the server loads it, and the engine is named."""
    said = _complete_a_line(shipped_models()[SHIPPED_MODEL])
    assert "scripted" in said
    assert "completed a line" in said


@pytest.mark.usefixtures("scripted")
def test_a_model_that_says_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that starts and generates nothing proves nothing."""
    monkeypatch.setenv("MIDFILL_SCRIPTED_TEXT", "")
    with pytest.raises(
        QuantizeError, match=r"vLLM cannot run the result: .*wrote nothing"
    ):
        _complete_a_line(shipped_models()[SHIPPED_MODEL])


def test_a_folder_that_is_no_model_is_refused(tiny_source: Path) -> None:
    """What the server would not load is an error in its own words."""
    with pytest.raises(ModelNotFoundError, match=r"no manifest\.json"):
        _complete_a_line(tiny_source)
