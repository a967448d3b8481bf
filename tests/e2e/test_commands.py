"""The commands, as somebody runs them: real processes, real LSP, scripted engine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTED = {"MIDFILL_ENGINE_KIND": "scripted", "MIDFILL_SCRIPTED_TEXT": "'21 + 21'"}


def midfill(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``midfill`` with a scripted engine, and give what it said."""
    return subprocess.run(
        [sys.executable, "-m", "lsp_server", *arguments],
        env=os.environ | SCRIPTED | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file with a cursor at line 2, column 5."""
    path = tmp_path / "a.py"
    path.write_text("é = '🚄'\nx = \ny = 1\n", encoding="utf-8")
    return path


def test_complete_prints_the_line_and_the_times(source: Path) -> None:
    """A person sees the line with the suggestion, and what it cost."""
    done = midfill("complete", f"{source}:2:5")
    assert 0 == done.returncode, done.stderr
    line, cost = done.stdout.splitlines()
    assert "x = [21 + 21]" == line
    assert "prompt tokens" in cost


def test_complete_prints_json_for_tools(source: Path) -> None:
    """A tool gets one object for each completion; the second time finds a cache."""
    done = midfill("complete", "--json", "--count", "2", f"{source}:2:5")
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert ["21 + 21"] == first["suggestions"] == second["suggestions"]
    assert 0 == first["cached_tokens"]
    assert second["prompt_tokens"] == second["cached_tokens"]
    assert second["ttft_ms"] <= second["total_ms"] <= second["round_trip_ms"]


def test_demo_completes_at_every_cursor() -> None:
    """The demo shows at least five places."""
    done = midfill("demo", "--json")
    assert 0 == done.returncode, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert 5 <= len(rows)
    files = {Path(row["file"]).name for row in rows}
    assert {"inventory.py", "stations.py", "words.py"} == files


@pytest.mark.parametrize(
    ("place", "told"),
    [("9:1", "no line 9"), ("1:99", "column 99"), ("0:0", "no line 0")],
)
def test_a_place_outside_of_the_file_fails(source: Path, place: str, told: str) -> None:
    """The exit status is not 0, and a sentence says why."""
    done = midfill("complete", f"{source}:{place}")
    assert 1 == done.returncode
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "cannot be read"), (b"\xff\xfe\x00x", "UTF-8"), (b"a\xe9\n", "UTF-8")],
)
def test_a_file_that_cannot_be_opened_fails(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    """A missing file and one that is not UTF-8 are told, and nothing is shown."""
    path = tmp_path / "b.py"
    if content is not None:
        path.write_bytes(content)
    done = midfill("complete", f"{path}:1:1")
    assert 1 == done.returncode
    assert "" == done.stdout
    assert told in done.stderr
    assert str(path) in done.stderr


def test_a_missing_model_fails_with_what_to_do(source: Path, tmp_path: Path) -> None:
    """The engine's failure reaches the command line as a sentence."""
    done = midfill(
        "complete", f"{source}:2:5", MIDFILL_MODEL_PATH=str(tmp_path / "none")
    )
    assert 1 == done.returncode
    assert "midfill-starter-88m" in done.stderr


def test_complete_takes_a_model_by_its_name(source: Path, tmp_path: Path) -> None:
    """One that was pulled; the option wins over the variable."""
    shipped = Path(__file__).parents[2] / "models" / "midfill-starter-88m"
    shutil.copytree(shipped, tmp_path / "pulled" / "mine")
    done = midfill(
        *("complete", "--model", "mine", f"{source}:2:5"),
        MIDFILL_REGISTRY_FOLDER=str(tmp_path / "pulled"),
        MIDFILL_MODEL_PATH="none",
    )
    assert 0 == done.returncode, done.stderr
    assert "x = [21 + 21]" == done.stdout.splitlines()[0]


def test_a_wrong_setting_is_told_and_the_rest_works(source: Path) -> None:
    """The completion comes all the same, from the defaults."""
    done = midfill("complete", f"{source}:2:5", MIDFILL_PROMPT_STEP_LINES="no")
    assert 0 == done.returncode
    assert "prompt.step_lines" in done.stderr
    assert "21 + 21" in done.stdout


def test_an_engine_that_dies_is_no_end(source: Path) -> None:
    """The request in which it dies gets nothing, and a later one is answered."""
    done = midfill(
        "complete", "--json", f"{source}:2:5", MIDFILL_SCRIPTED_DIE_AFTER_REQUESTS="1"
    )
    assert 0 == done.returncode, done.stderr
    assert [] == json.loads(done.stdout)["suggestions"]


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["serve"], ["complete"], ["complete", "a.py"]]
)
def test_wrong_arguments_are_usage_errors(arguments: list[str]) -> None:
    """argparse's own status, 2, and its usage line."""
    done = midfill(*arguments)
    assert 2 == done.returncode
    assert "usage: midfill" in done.stderr


def test_the_version_is_told() -> None:
    """``--version`` needs no command."""
    done = midfill("--version")
    assert done.stdout.startswith("midfill 0.")
