"""``midfill complete`` on a daemon or an engine that dies meanwhile."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from daemons import MIDFILL, DaemonHome, daemon_home

from lsp_server.config import SHIPPED_MODEL
from lsp_server.modelstore.locate import shipped_models

ANSWER = ["21 + 21"]
BACK = "Midfill's daemon has stopped. It is being started again."


@pytest.fixture
def home() -> Iterator[DaemonHome]:
    """A user whose engine takes a while for a completion."""
    with daemon_home(SCRIPTED_TOKEN_DELAY_MS="60") as made:
        yield made


class Completing:
    """``midfill complete`` at two places in a process of its own."""

    def __init__(self, home: DaemonHome, *, count: int, **settings: str) -> None:
        path = home.folder / "a.py"
        path.write_text("x = \ny = \n", encoding="utf-8")
        arguments = ("--json", f"--count={count}", f"{path}:1:5", f"{path}:2:5")
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*MIDFILL, "complete", *arguments],
            env=os.environ | home.environment | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read(self, count: int) -> None:
        """Read the next completions."""
        assert self.process.stdout is not None
        self.lines += [self.process.stdout.readline() for _ in range(count)]

    def end(self) -> tuple[list[object], int, str]:
        """Return what was suggested each time, the exit status, and stderr."""
        with self.process:
            rest, stderr = self.process.communicate(timeout=60)
        rows = [json.loads(line) for line in [*self.lines, *rest.splitlines()]]
        found = [row["suggestions"] or row["reason"] for row in rows]
        return found, self.process.returncode, stderr


def test_a_killed_daemon_costs_no_completion(home: DaemonHome) -> None:
    """What was being completed is asked for once more; so the next time."""
    completing = Completing(home, count=6)
    for _ in range(2):
        completing.read(3)
        [daemon] = home.processes()
        daemon.kill()
    suggestions, exit_code, stderr = completing.end()
    assert [ANSWER] * 12 == suggestions
    assert 0 == exit_code
    assert 1 == stderr.count(BACK)


def test_an_engine_that_dies_costs_no_completion(home: DaemonHome) -> None:
    """The daemon lives, and starts another engine."""
    script = {"MIDFILL_SCRIPTED_DIE_AFTER_REQUESTS": "3"}
    suggestions, exit_code, stderr = Completing(home, count=2, **script).end()
    assert [ANSWER] * 4 == suggestions
    assert 0 == exit_code, stderr


def test_an_engine_that_keeps_dying_is_an_error(home: DaemonHome) -> None:
    """For each place, as the others may be served."""
    script = {"MIDFILL_SCRIPTED_DIE_AFTER_REQUESTS": "1"}
    suggestions, exit_code, stderr = Completing(home, count=1, **script).end()
    assert [] == suggestions
    assert 1 == exit_code
    assert 2 == stderr.count("the engine failed twice")


def test_no_other_model_answers_for_the_one_that_is_named(home: DaemonHome) -> None:
    """Neither for one that is not there, nor for one that a window is in the way of."""
    completing = Completing(home, count=100)
    completing.read(1)
    there = home.folder / "another-model"
    there.mkdir()
    manifest = shipped_models()[SHIPPED_MODEL] / "manifest.json"
    shutil.copy(manifest, there)
    place = f"{home.folder / 'a.py'}:1:5"
    for model, why in (("nope", "models pull"), (str(there), "daemon.max_engines")):
        refused = home.midfill("complete", "--model", model, place)
        assert (1, "") == (refused.returncode, refused.stdout)
        assert why in refused.stderr
        assert 1 == refused.stderr.count("\n"), refused.stderr
    same = home.midfill("complete", "--model", SHIPPED_MODEL, place)
    assert (0, "") == (same.returncode, same.stderr)
    completing.process.terminate()
    completing.end()


def test_a_daemon_that_is_stopped_is_an_error(home: DaemonHome) -> None:
    """It does not come back by itself: one sentence says so, and how it would."""
    completing = Completing(home, count=100)
    completing.read(2)
    home.midfill("daemon", "stop")
    suggestions, exit_code, stderr = completing.end()
    assert [ANSWER] * len(suggestions) == suggestions
    assert 1 == exit_code
    assert 1 == stderr.count("Midfill's daemon was stopped")
    assert "`midfill daemon start`" in stderr


def test_a_daemon_that_cannot_start_again_is_an_error(home: DaemonHome) -> None:
    """Why it cannot is said."""
    completing = Completing(home, count=100)
    completing.read(2)
    [daemon] = home.processes()
    home.spoil()
    daemon.kill()
    _, exit_code, stderr = completing.end()
    assert 1 == exit_code
    assert 1 == stderr.count("others may use it")
