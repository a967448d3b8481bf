"""``midfill eval`` as somebody runs it, on a scripted engine."""

import argparse
import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lsp_server.__main__ import main
from lsp_server.config import SHIPPED_MODEL, EngineConfig
from lsp_server.engine.base import Engine
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.errors import EngineStartError
from training.commands.eval import add_arguments
from training.eval.command import run_with
from training.eval.model import EvaluatedModel

SUITE = ["--suite", "human-eval-infilling"]
TASK = {
    "task_id": "SingleLineInfilling/HumanEval/0/L0",
    "entry_point": "one",
    "prompt": "def one():\n",
    "suffix": "",
    "canonical_solution": "    return 1\n",
    "test": "def check(candidate):\n    assert candidate() == 1\n",
}
SOURCE = """\
def f(first, second):
    together = sorted([first, second])
    print("smaller one", together[0], sep=first)
    return together[0]
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep this machine's settings away."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("MIDFILL_ENGINE_DEVICE", "cpu")
    monkeypatch.delenv("MIDFILL_CONFIG", raising=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with data of both suites."""
    folder = tmp_path / "data"
    folder.mkdir()
    held_out = {"package": "p", "path": "p/a.py", "text": SOURCE}
    for name, row in (("tasks", TASK), ("held-out-00000", held_out)):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt") as file:
            file.write(json.dumps(row) + "\n")
    return folder


@pytest.fixture
def evaluate(started: list[str]) -> Callable[[Sequence[str]], int]:
    """Return what runs the command on an engine that always says the same."""

    async def start(model: EvaluatedModel, _config: EngineConfig) -> Engine:
        started.append(model.name)
        ids = model.tokenizer.encode("    return 1\n")
        return ScriptedEngine(Script(answer_ids=ids))

    def run(words: Sequence[str]) -> int:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        return run_with(parser.parse_args(words), start)

    return run


@pytest.fixture
def started() -> list[str]:
    """Return the names of the models that an engine was started for."""
    return []


def test_table_with_baseline(
    data: Path,
    evaluate: Callable[[Sequence[str]], int],
    started: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Model and baselines come one after the other into one table."""
    tasks = str(data / "tasks.jsonl.gz")
    order = [*SUITE, "--data", tasks, "--baseline", f"pilot={SHIPPED_MODEL}"]
    assert 0 == evaluate(order)
    assert [SHIPPED_MODEL, "pilot"] == started
    said = capsys.readouterr()
    assert f"| single-line (1) | {SHIPPED_MODEL} | with suffix | 100.0 %" in said.out
    assert "| single-line (1) | pilot | no suffix | 100.0 %" in said.out
    assert f"{SHIPPED_MODEL}, with suffix: 1 of 1" in said.err


def test_replay_as_json(
    data: Path,
    tmp_path: Path,
    evaluate: Callable[[Sequence[str]], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The replay finds its shards in a folder; JSON goes out, files to the folder."""
    out = tmp_path / "out"
    order = ["--suite", "replay", "--data", str(data), "--limit", "4", "--json"]
    assert 0 == evaluate([*order, "--out", str(out)])
    printed = json.loads(capsys.readouterr().out)
    assert "replay" == printed["suite"]
    assert 12 == len(printed["models"][0]["tasks"])
    assert printed == json.loads((out / "results.json").read_text())


def test_replay_of_any_folder(
    tmp_path: Path,
    evaluate: Callable[[Sequence[str]], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One folder is enough; what the model may know of it is said."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.py").write_text(SOURCE)
    order = ["--suite", "replay", "--source", str(folder), "--limit", "4"]
    assert 0 == evaluate(order)
    assert "trained on" not in capsys.readouterr().out
    # The starter model was trained on this package.
    (folder / "pyproject.toml").write_text('[project]\nname = "accelerate"\n')
    assert 0 == evaluate([*order, "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert ["mine"] == list(printed["data"])
    known = {"trained": 4, "other": 0, "unknown": 0}
    assert known == printed["models"][0]["trained_on"]
    assert 0 == evaluate(order)
    said = capsys.readouterr().out
    assert "; 4 of the cursors lie in packages that it was trained on, 0 in" in said


def test_later_failure_keeps_what_is_measured(data: Path, tmp_path: Path) -> None:
    """Where a baseline's engine does not start, the model's results are there."""

    async def start(model: EvaluatedModel, _config: EngineConfig) -> Engine:
        if model.name == "pilot":
            raise EngineStartError("no", subject="pilot", remedy="none")
        return ScriptedEngine(Script(answer_ids=model.tokenizer.encode("x\n")))

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    order = [*SUITE, "--data", str(data / "tasks.jsonl.gz"), "--out", str(tmp_path)]
    arguments = parser.parse_args([*order, "--baseline", f"pilot={SHIPPED_MODEL}"])
    with pytest.raises(EngineStartError):
        run_with(arguments, start)
    written = json.loads((tmp_path / "results.json").read_text())
    assert [SHIPPED_MODEL] == [model["name"] for model in written["models"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no data is named"),
        (["--data", "missing.gz"], "missing.gz"),
        (["--data", "{tasks}", "--source", "."], "this suite has its own tasks"),
        (["--data", "{data}"], "has no text 'task_id'"),
        (["--data", "{tasks}", "--model", "nowhere"], "nowhere"),
        (
            ["--data", "{tasks}", "--baseline", SHIPPED_MODEL],
            "two models have this name",
        ),
        (["--data", "{tasks}", "--baseline", "x="], "names no model"),
        (["--data", "{tasks}", "--out", "{tasks}"], "cannot be written"),
    ],
)
def test_mistakes_are_reported(
    data: Path, words: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each mistake is one sentence and status 1, before any engine starts."""
    tasks = str(data / "tasks.jsonl.gz")
    order = [word.format(data=data, tasks=tasks) for word in words]
    assert 1 == main(["eval", *SUITE, *order])
    error = capsys.readouterr().err
    assert error.startswith("midfill eval: ")
    assert said in error
    assert 1 == len(error.splitlines())


@pytest.mark.parametrize("words", [["--suite", "other"], ["--limit", "0"]])
def test_usage(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown suite and an impossible limit are named by their option."""
    with pytest.raises(SystemExit) as caught:
        main(["eval", *SUITE, *words])
    assert 2 == caught.value.code
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize("library", ["matplotlib", "rapidfuzz"])
def test_missing_library(library: str) -> None:
    """Without a library of training, one sentence says how to install it.

    What could be measured can be read all the same.
    """

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        script = (
            f"import sys; sys.modules[{library!r}] = None\n"
            "from lsp_server.__main__ import main\n"
            f"sys.exit(main(['eval', *{words!r}]))"
        )
        return subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[3],
        )

    described = run("--help")
    assert (0, "") == (described.returncode, described.stderr)
    assert "--suite" in described.stdout
    done = run("--suite", "replay")
    assert 1 == done.returncode
    [line] = done.stderr.splitlines()
    assert library in line
    assert "`make install-training`" in line
