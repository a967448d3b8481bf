"""The commands, as somebody runs them: real processes, real LSP, scripted engine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lsp_server.config import SHIPPED_MODEL
from lsp_server.modelstore.locate import shipped_models

SCRIPTED = {"MIDFILL_ENGINE_KIND": "scripted", "MIDFILL_SCRIPTED_TEXT": "'21 + 21'"}


def midfill(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``midfill`` with a scripted engine, and return what it said."""
    return subprocess.run(
        [sys.executable, "-m", "lsp_server", *arguments],
        env=os.environ | SCRIPTED | environment,
        capture_output=True,
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
        timeout=120,
        check=False,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Write a file with a cursor at line 2, column 5."""
    path = tmp_path / "a.py"
    path.write_text("é = '🚄'\nx = \ny = 1\n", encoding="utf-8")
    return path


def test_complete_prints_the_line_and_the_times(source: Path) -> None:
    """A person sees the line with the suggestion, and what it cost."""
    done = midfill("complete", f"{source}:2:5")
    assert 0 == done.returncode, done.stderr
    assert "Loading the model" in done.stderr
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
    ("place", "reported"),
    [("9:1", "no line 9"), ("1:99", "column 99"), ("0:0", "no line 0")],
)
def test_a_place_outside_of_the_file_fails(
    source: Path, place: str, reported: str
) -> None:
    """The exit status is not 0, a sentence says why, and no model is loaded for it."""
    done = midfill("complete", f"{source}:{place}")
    assert 1 == done.returncode
    assert reported in done.stderr
    assert 1 == len(done.stderr.splitlines())


def test_a_bad_place_does_not_cost_the_others(source: Path, tmp_path: Path) -> None:
    """All that exist are completed; the status says that one did not."""
    places = [f"{source}:2:5", f"{tmp_path}/none.py:1:1", f"{source}:9:9"]
    done = midfill("complete", "--json", *places, f"{source}:3:6")
    assert 1 == done.returncode
    assert [2, 3] == [json.loads(line)["line"] for line in done.stdout.splitlines()]
    assert "none.py" in done.stderr
    assert "no line 9" in done.stderr


@pytest.mark.parametrize(
    ("text", "why"), [("x = " * 30_000, "line is longer"), ("a\0b\n", "zero byte")]
)
def test_nothing_has_its_reason(tmp_path: Path, text: str, why: str) -> None:
    """A line of 120,000 characters, or a binary file: as text, and in the JSON."""
    (tmp_path / "a.py").write_text(text)
    done = midfill("complete", f"{tmp_path / 'a.py'}:1:2")
    assert why in done.stdout
    as_json = midfill("complete", "--json", f"{tmp_path / 'a.py'}:1:2")
    (row,) = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [] == row["suggestions"]
    assert why in row["reason"]


@pytest.mark.parametrize("count", ["0", "-2", "x", "1.5"])
def test_a_count_that_asks_for_nothing_is_refused(source: Path, count: str) -> None:
    """A usage error that names the number, not a run that prints nothing."""
    done = midfill("complete", "--count", count, f"{source}:2:5")
    assert (2, "") == (done.returncode, done.stdout)
    assert repr(count) in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--json"]])
@pytest.mark.parametrize("encoding", ["iso-8859-1", "ascii"])
def test_old_locales_work(tmp_path: Path, encoding: str, arguments: list[str]) -> None:
    """What the terminal cannot show comes as an escape."""
    path = tmp_path / "a.py"
    path.write_text("x = 'é🚄→'  # \n", encoding="utf-8")
    done = midfill("complete", *arguments, f"{path}:1:13", PYTHONIOENCODING=encoding)
    assert 0 == done.returncode, done.stderr
    assert arguments or "\\U0001f684\\u2192" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["complete", "a.py:2:5"], ["models", "list"], ["doctor"]]
)
def test_a_full_disk_is_reported_in_a_sentence(
    source: Path, arguments: list[str]
) -> None:
    """Whatever prints: no traceback, neither at once nor when the interpreter ends."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lsp_server", *arguments],
            env=os.environ | SCRIPTED,
            cwd=source.parent,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    assert 1 == done.returncode
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize(
    ("place", "environment"),
    [
        ("a.py:2:5", {}),
        ("a.py:9:9", {}),
        ("none.py:1:1", {}),
        ("a.py:2:5", {"MIDFILL_MODEL_PATH": "no-such-model"}),
        ("a.py:2:5", {"MIDFILL_PROMPT_STEP_LINES": "no"}),
    ],
)
def test_the_temporary_folder_stays_empty(
    source: Path, tmp_path: Path, place: str, environment: dict[str, str]
) -> None:
    """Neither success nor a user's mistake leaves a log behind."""
    made = tmp_path / "tmp"
    made.mkdir()
    midfill("complete", str(source.parent / place), TMPDIR=str(made), **environment)
    assert [] == list(made.iterdir())


def test_a_server_that_is_lost_leaves_its_log(source: Path, tmp_path: Path) -> None:
    """The error names the file, which is there to be read."""
    made = tmp_path / "tmp"
    made.mkdir()
    broken = tmp_path / "sitecustomize.py"
    broken.write_text(
        "import os, sys\nif 'serve' in sys.argv: os.write(2, b'woe\\n'); os._exit(3)\n"
    )
    done = midfill(
        "complete", f"{source}:2:5", TMPDIR=str(made), PYTHONPATH=str(tmp_path)
    )
    assert 1 == done.returncode
    (log,) = made.iterdir()
    assert str(log) in done.stderr
    assert "woe" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("wait_for", ["", "Loading"])
def test_an_interruption_leaves_nothing(
    source: Path, tmp_path: Path, number: signal.Signals, wait_for: str
) -> None:
    """While it imports or while the model loads: no traceback, no file, no process."""
    made = tmp_path / "tmp"
    made.mkdir()
    slow = {"MIDFILL_SCRIPTED_START_DELAY_MS": "60000", "TMPDIR": str(made)}
    # What a shell starts in the background ignores SIGINT, and so does all below it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "lsp_server", "complete", f"{source}:2:5"],
        env=os.environ | SCRIPTED | slow,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        # One line is read if there is one to wait for; else it is still importing.
        said = process.stderr.readline() if wait_for else ""
        servers = psutil.Process(process.pid).children() if wait_for else []
        if not wait_for:
            _wait_for_imports(process.pid)
        os.killpg(process.pid, number)
        said += process.stderr.read()
    assert wait_for in said
    assert "Traceback" not in said
    assert process.returncode in {-number, 130}
    assert [] == list(made.iterdir())
    assert not [server for server in servers if server.is_running()]


def _wait_for_imports(pid: int) -> None:
    """Wait until asyncio is loaded, which a command imports first."""
    maps = Path(f"/proc/{pid}/maps")
    deadline_s = time.monotonic() + 60
    while "_ssl" not in maps.read_text() and time.monotonic() < deadline_s:
        os.sched_yield()


@pytest.mark.parametrize(
    ("content", "reported"),
    [(None, "cannot be read"), (b"\xff\xfe\x00x", "UTF-8"), (b"a\xe9\n", "UTF-8")],
)
def test_a_file_that_cannot_be_opened_fails(
    tmp_path: Path, content: bytes | None, reported: str
) -> None:
    """A missing file and one that is not UTF-8 are reported, and nothing is shown."""
    path = tmp_path / "b.py"
    if content is not None:
        path.write_bytes(content)
    done = midfill("complete", f"{path}:1:1")
    assert 1 == done.returncode
    assert "" == done.stdout
    assert reported in done.stderr
    assert str(path) in done.stderr


def test_a_missing_model_fails_with_what_to_do(source: Path, tmp_path: Path) -> None:
    """The engine's failure reaches the command line as a sentence."""
    done = midfill(
        "complete", f"{source}:2:5", MIDFILL_MODEL_PATH=str(tmp_path / "none")
    )
    assert 1 == done.returncode
    assert SHIPPED_MODEL in done.stderr


def test_complete_takes_a_model_by_its_name(source: Path, tmp_path: Path) -> None:
    """One that was pulled; the option wins over the variable."""
    shutil.copytree(shipped_models()[SHIPPED_MODEL], tmp_path / "pulled" / "mine")
    done = midfill(
        *("complete", "--model", "mine", f"{source}:2:5"),
        MIDFILL_REGISTRY_FOLDER=str(tmp_path / "pulled"),
        MIDFILL_MODEL_PATH="none",
    )
    assert 0 == done.returncode, done.stderr
    assert "x = [21 + 21]" == done.stdout.splitlines()[0]


def test_a_wrong_setting_is_reported_and_the_rest_works(source: Path) -> None:
    """The completion comes all the same, from the defaults."""
    done = midfill("complete", f"{source}:2:5", MIDFILL_PROMPT_STEP_LINES="no")
    assert 0 == done.returncode
    assert "MIDFILL_PROMPT_STEP_LINES" in done.stderr
    assert "21 + 21" in done.stdout


def test_an_engine_that_dies_is_asked_again_once(source: Path) -> None:
    """One that dies in each first request fails the command, in a sentence."""
    again = midfill(
        "complete", "--json", f"{source}:2:5", MIDFILL_SCRIPTED_DIE_AFTER_REQUESTS="1"
    )
    assert 1 == again.returncode
    assert "the engine failed twice" in again.stderr
    assert "Traceback" not in again.stderr


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["serve"], ["complete"], ["complete", "a.py"]]
)
def test_wrong_arguments_are_usage_errors(arguments: list[str]) -> None:
    """argparse's own status, 2, and its usage line."""
    done = midfill(*arguments)
    assert 2 == done.returncode
    assert "usage: midfill" in done.stderr


def test_the_version_is_printed() -> None:
    """``--version`` needs no command."""
    assert midfill("--version").stdout.startswith("midfill 0.")
