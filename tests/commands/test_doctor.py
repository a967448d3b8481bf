"""``midfill doctor`` as somebody runs it: a real process, with the scripted engine."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lsp_server.commands.doctor import as_json, as_lines, quietly
from lsp_server.doctor.findings import Finding, Level

DOCTOR = [sys.executable, "-m", "lsp_server", "doctor"]
SCRIPTED = {"MIDFILL_ENGINE_KIND": "scripted"}

GOOD = Finding(name="python", level=Level.OK, what="Python 3.12.4")
ODD = Finding(name="gpu", level=Level.WARNING, what="älter", remedy="a newer one")
BAD = Finding(name="torch", level=Level.FAILURE, what="none", remedy="install it")


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run doctor with a scripted engine, and return what it said."""
    return subprocess.run(
        [*DOCTOR, *arguments],
        env=os.environ | SCRIPTED | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def doctor_on_a_terminal(**environment: str) -> str:
    """Run doctor on a terminal, and return what stands there."""
    terminal, end = pty.openpty()
    try:
        with subprocess.Popen(
            DOCTOR,
            env=os.environ | SCRIPTED | environment,
            stdin=end,
            stdout=end,
            stderr=end,
        ):
            os.close(end)
            shown = b""
            # Reading fails once the last process has let go of the terminal.
            try:
                while chunk := os.read(terminal, 4096):
                    shown += chunk
            except OSError:
                pass
    finally:
        os.close(terminal)
    return shown.decode()


@pytest.mark.parametrize(
    ("findings", "works"),
    [([], True), ([GOOD, ODD], True), ([GOOD, BAD, ODD], False)],
)
def test_json_holds_everything(findings: list[Finding], works: bool) -> None:  # noqa: FBT001 - pytest passes a case's values by name
    """Tools get the parts of each finding, in any locale; only failures count."""
    text = as_json(findings)
    assert text.isascii()
    report = json.loads(text)
    assert works == report["can_complete"]
    assert [
        {"name": f.name, "level": f.level.value, "what": f.what, "remedy": f.remedy}
        for f in findings
    ] == report["findings"]


def test_the_remedy_stands_below_the_finding() -> None:
    """Level, name and finding in columns; what to do is a line of its own."""
    assert "ok       python        Python 3.12.4\n" == as_lines(GOOD, coloured=False)
    found, remedy = as_lines(BAD, coloured=False).splitlines()
    assert "failure  torch         none" == found
    assert "-> install it" == remedy.strip()
    assert remedy.index("->") == found.index("none")


@pytest.mark.parametrize(
    ("finding", "colour"), [(GOOD, "\x1b[32m"), (ODD, "\x1b[33m"), (BAD, "\x1b[1;31m")]
)
def test_the_level_is_coloured(finding: Finding, colour: str) -> None:
    """Green, yellow or red, for the level's word alone."""
    coloured = as_lines(finding, coloured=True)
    assert coloured.startswith(f"{colour}{finding.level.value}")
    plain = coloured.replace(colour, "").replace("\x1b[0m", "")
    assert as_lines(finding, coloured=False) == plain


def test_a_finding_cannot_steer_the_terminal() -> None:
    """A folder's name, for example, may hold escape sequences."""
    finding = Finding(name="model", level=Level.FAILURE, what="\x1b[2J", remedy="\x9b")
    assert "\\x1b[2J" in as_lines(finding, coloured=False)
    assert as_lines(finding, coloured=False).replace("\n", "").isprintable()


def test_a_good_machine_gives_lines_and_status_0() -> None:
    """One line for each check, without colours in a pipe."""
    done = doctor()
    assert 0 == done.returncode, done.stderr
    assert "" == done.stderr
    assert "\x1b" not in done.stdout
    heads = [line.split()[:2] for line in done.stdout.splitlines() if line[0] != " "]
    names = ["python", "settings", "completions", "engine", "model", "generation"]
    assert names == [name for _, name in heads]


def test_a_missing_model_gives_status_1(tmp_path: Path) -> None:
    """The failure says what to do, and the generation is not tried."""
    done = doctor(MIDFILL_MODEL_PATH=str(tmp_path))
    assert 1 == done.returncode
    assert "failure  model" in done.stdout
    assert "not tried" in done.stdout
    assert "  -> " in done.stdout


def test_json_is_one_object(tmp_path: Path) -> None:
    """Tools read stdout as it is, whether completion can work or not."""
    good, bad = doctor("--json"), doctor("--json", MIDFILL_MODEL_PATH=str(tmp_path))
    assert (0, 1) == (good.returncode, bad.returncode)
    assert json.loads(good.stdout)["can_complete"] is True
    assert json.loads(bad.stdout)["can_complete"] is False


def test_settings_are_read_as_the_server_reads_them(tmp_path: Path) -> None:
    """A file is named on the command line; what is wrong in it is a warning."""
    settings = tmp_path / "midfill.toml"
    settings.write_text("[engine]\nspeed = 9\n", encoding="utf-8")
    done = doctor("--config", str(settings))
    assert 0 == done.returncode, done.stderr
    assert "warning  settings" in done.stdout
    assert "speed" in done.stdout


def test_an_engine_that_dies_gives_status_1() -> None:
    """The model is whole, and yet nothing can be completed; no traceback is shown."""
    done = doctor(MIDFILL_SCRIPTED_DIE_AFTER_REQUESTS="1")
    assert 1 == done.returncode
    assert "ok       model" in done.stdout
    assert "failure  generation" in done.stdout
    assert "-> " in done.stdout
    assert "" == done.stderr


@pytest.mark.parametrize(
    ("environment", "reported"),
    [
        ({"MIDFILL_COMPLETION_ENABLED": "false"}, "switched off"),
        ({"MIDFILL_SCRIPTED_TEXT": "''"}, "wrote nothing"),
    ],
)
def test_where_nothing_would_be_completed_the_status_is_1(
    environment: dict[str, str], reported: str
) -> None:
    """Doctor does not say ok where an editor would get nothing."""
    done = doctor(**environment)
    assert 1 == done.returncode
    assert reported in done.stdout


def test_settings_that_cannot_work_together_are_reported() -> None:
    """As the server would: a warning, and the old ones hold, so completion works."""
    done = doctor(MIDFILL_COMPLETION_MAX_LINE_TOKENS="5000")
    assert 0 == done.returncode, done.stdout
    assert "warning  settings" in done.stdout
    assert "cannot work together" in done.stdout


@pytest.mark.parametrize("verbose", [False, True])
def test_output_of_failed_checks_is_shown_to_who_asks(
    capfd: pytest.CaptureFixture[str], *, verbose: bool
) -> None:
    """What libraries say is noise where all is well, and the cause where it is not.

    The finding says what to do; a traceback above it is for who asks for it.
    """

    def checks() -> Iterator[Finding]:
        os.write(1, b"a greeting\n")
        yield Finding(name="a", level=Level.OK, what="fine")
        os.write(1, b"the cause\n")
        yield Finding(name="b", level=Level.FAILURE, what="broken")

    show = sys.stderr.write if verbose else None
    assert ["a", "b"] == [finding.name for finding in quietly(checks(), show)]
    assert ("", "the cause\n" if verbose else "") == capfd.readouterr()


def test_levels_are_coloured_on_a_terminal() -> None:
    """Green for ok; without colours where somebody wants none."""
    assert "\x1b[32mok" in doctor_on_a_terminal(NO_COLOR="")
    assert "\x1b" not in doctor_on_a_terminal(NO_COLOR="1")


@pytest.mark.parametrize("arguments", [["--json=1"], ["--nothing"]])
def test_unknown_arguments_are_refused(arguments: list[str]) -> None:
    """argparse's own status tells misuse from a machine that cannot complete."""
    assert 2 == doctor(*arguments).returncode
